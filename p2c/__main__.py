"""`python -m p2c`: the command line."""
