"""``python -m p2c.sandbox``: both simulators in a process of their own, until stopped."""

import argparse

from p2c.sandbox.server import serve
from p2c.sandbox.switches import DemoSize


def main() -> None:
    """Read the command line and serve."""
    usual = DemoSize()
    parser = argparse.ArgumentParser(prog="python -m p2c.sandbox", description=__doc__)
    parser.add_argument("--dataverse-port", type=int, default=0, help="0: a free one")
    parser.add_argument("--fno-port", type=int, default=0, help="0: a free one")
    parser.add_argument("--accounts", type=int, default=usual.accounts)
    parser.add_argument("--contacts", type=int, default=usual.contacts)
    parser.add_argument(
        "--filled-customers",
        type=int,
        default=0,
        help="how many of the accounts F&O already has as customers",
    )
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--empty", action="store_true", help="no demo data")
    parser.add_argument("--json", action="store_true", help="print the addresses as JSON")
    given = parser.parse_args()
    demo = (
        None
        if given.empty
        else DemoSize(
            seed=given.seed,
            accounts=given.accounts,
            contacts=given.contacts,
            filled_customers=given.filled_customers,
        )
    )
    ports = {"dataverse_port": given.dataverse_port, "fno_port": given.fno_port}
    try:
        serve(**ports, demo=demo, as_json=given.json)
    except OSError as error:
        parser.exit(2, f"{error.strerror}\n")


if __name__ == "__main__":
    main()
