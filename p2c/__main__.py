"""`python -m p2c`: the command line."""

from p2c.cli.main import main

if __name__ == "__main__":
    main()
