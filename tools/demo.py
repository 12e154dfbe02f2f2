"""``make demo``: three templates on a made-up company, by the commands that anyone would use.

Starts Azurite and the sandbox, plans, runs, explains a row, edits and breaks rows in Sales, runs
again, mends a cause and retries a rejected row, and checks each thing it says: it exits with 1 when
something is not as it claims. The edits are in `tools.demo_edits`, what is printed in
`tools.demo_shown`. No process is left behind.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from tools.azurite import AzuriteError, azurite, dying_with_parent
from tools.demo_edits import Company, Row, make_edits
from tools.demo_shown import out, say, show_plan, show_reasons, show_run
from tools.node_packages import ROOT
from tools.processes import SandboxError, p2c_settings, sandbox

ACCOUNTS, CONTACTS, FILLED = 320, 1_600, 40
SIZE = (
    *("--accounts", str(ACCOUNTS), "--contacts", str(CONTACTS)),
    *("--filled-customers", str(FILLED)),
)
SETTLE_SECONDS = 2
RUN_SECONDS = 120
PROJECT = """\
template = "accounts"

[value_maps.countries]
"Deutschland" = "DE"
"""


_stopping = threading.Event()


class DemoError(Exception):
    """Something is not as the demo claims."""


class P2c:
    """Runs the command line in processes of its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}

    def set(self, name: str, value: str) -> None:
        """Set an app setting for the commands from now on."""
        self._environment[name] = value

    def __call__(self, *words: str, status: int = 0) -> Any:
        """Run a command with ``--json`` and return its document.

        Raises:
            DemoError: It ends with another status than expected.
        """
        return json.loads(self.text(*words, "--json", status=status))

    def text(self, *words: str, status: int = 0) -> str:
        """Run a command and return what it prints.

        Raises:
            DemoError: It ends with another status than expected.
            KeyboardInterrupt: The demo is to stop, which went unheard where it was noticed first.
        """
        if _stopping.is_set():
            raise KeyboardInterrupt
        done = subprocess.run(
            [sys.executable, "-m", "p2c", *words],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
            preexec_fn=dying_with_parent(),
        )
        if done.returncode != status:
            raise DemoError(
                f"'p2c {' '.join(words)}' ended with {done.returncode} instead of {status}:\n"
                f"{done.stdout}"
            )
        return done.stdout


def main() -> int:
    """Run the demo; 0 when everything was as it says."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    started = time.monotonic()
    try:
        with azurite() as storage, sandbox(*SIZE) as addresses:
            company = Company(addresses.dataverse_url, addresses.fno_url)
            p2c = P2c(p2c_settings(storage, addresses, SETTLE_SECONDS))
            _demonstrate(p2c, company)
    except (DemoError, SandboxError, AzuriteError, subprocess.TimeoutExpired) as error:
        out.print(f"\nThe demo failed: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    out.print(f"\nEverything was as it should be, in {time.monotonic() - started:.0f} seconds.")
    return 0


def _demonstrate(p2c: P2c, company: Company) -> None:
    known = len(company.records("CustomersV2"))
    say(
        f"A company has {ACCOUNTS} accounts and {CONTACTS:,} contacts in Sales, with the mess of "
        f"real data. F&O already has {known} of the accounts as customers, a few out of date. "
        "Both services are simulated here; the queues and tables are in Azurite. "
        f"(P2C_SETTLE_SECONDS is {SETTLE_SECONDS} because the sandbox finishes no request late; "
        "real services need the default.)"
    )
    say("p2c plan  # what a run would write, field by field; writes nothing")
    plan = p2c("plan", status=1)
    show_plan(plan)
    if len(company.records("CustomersV2")) != known or company.records("CDSContactPersons"):
        raise DemoError("the plan wrote something")

    say("p2c run  # every template, prerequisites first")
    first = p2c("run", status=1)
    show_run(first)
    _check_first(first, company, known)
    _check_plan(plan, first)
    say("Why rows were skipped, wait or were rejected:")
    show_reasons(p2c("status"))
    _explain(p2c, company)

    _edit(p2c, company)
    _retry(p2c, company)

    say("p2c run  # nothing changed: one request a task, none to F&O")
    last = p2c("run")
    show_run(last)
    tasks = sum(len(template["tasks"]) for template in last["templates"].values())
    if last["requests"] != {"dataverse": tasks, "fno": 0, "fno_operations": 0}:
        raise DemoError(f"an idle run sent {last['requests']}")


def _edit(p2c: P2c, company: Company) -> None:
    """Let people work in Sales, run, and check what became of each edit."""
    say("Now people work in Sales:")
    edits = make_edits(company, p2c("rejected", "list"))
    for edit in edits:
        out.print(f"  • {edit.done}")
    say("p2c run  # only what changed, and what waits for it")
    run = p2c("run", status=1)
    show_run(run)
    if _only_task(run["templates"]["contacts"])["deleted"] != 1:
        raise DemoError("the second run noted no deleted contact")
    rejected = p2c("rejected", "list")
    for edit in edits:
        _check(edit.expected, holds=edit.look(company, rejected))


def _explain(p2c: P2c, company: Company) -> None:
    """Explain a contact that no template takes."""
    contact = next(
        row
        for row in company.rows("contacts")
        if row["msdynce_contactnumber"]
        and not row["msdynce_isactivecustomer"]
        and not row.get("_parentcustomerid_value")
    )
    number = contact["msdynce_contactnumber"]
    say(f"p2c explain {number}  # why is it not in F&O?")
    told = p2c.text("explain", number)
    out.print(told.rstrip())
    _check(
        f"{number} is left out, and the rule is named",
        holds="[company-not-account]" in told and "[not-active-customer]" in told,
    )


def _retry(p2c: P2c, company: Company) -> None:
    """Mend what a rejected row's reason names, which is no edit in Sales, and retry the row."""
    rejected: list[Row] = p2c("rejected", "list")
    row = next(row for row in rejected if "'Deutschland'" in row["reason"])
    say(f"Account {row['row']} was rejected:\n  {row['reason']}")
    out.print("So a project file gives the value map one more line:")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "accounts.toml").write_text(PROJECT, "utf-8")
        out.print("\n".join(f"  {line}" for line in PROJECT.splitlines()))
        p2c.set("P2C_PROJECTS", folder)
        say(f"p2c rejected retry {row['row']}")
        queued = p2c("rejected", "retry", row["row"])
        out.print(f"Queued {queued['queued']} row, to be read anew. p2c run")
        show_run(p2c("run"))
        p2c.set("P2C_PROJECTS", "")
    number = _number(row["key"])
    customer = company.customer(number)
    _check(
        f"customer {number} is in F&O, in DE",
        holds="DE"
        in (
            customer.get("AddressCountryRegionISOCode"),
            customer.get("DeliveryAddressCountryRegionISOCode"),
        ),
    )


def _number(key: str) -> str:
    return key.rpartition("=")[2].rstrip(")")


def _check(expected: str, *, holds: bool) -> None:
    """Print what was expected and whether it is so.

    Raises:
        DemoError: It is not so.
    """
    out.print(f"  {'✓' if holds else '✗'} {expected}")
    if not holds:
        raise DemoError(f"expected: {expected}")


def _check_plan(plan: dict[str, Any], run: dict[str, Any]) -> None:
    """Check that the run wrote what the plan foresaw, but for what F&O itself refused."""
    foreseen = {name: _only_task(found, "counts") for name, found in plan["templates"].items()}
    counts = {name: _only_task(found) for name, found in run["templates"].items()}
    for name, found in counts.items():
        planned = foreseen[name]
        same = ("read", "updated", "unchanged", "skipped")
        if any(planned[word] != found[word] for word in same):
            raise DemoError(f"{name}: planned {planned}, came to {found}")
        refused = planned["created"] - found["created"]
        if (
            refused
            != found["rejected"] + found["waiting"] - planned["rejected"] - planned["waiting"]
        ):
            raise DemoError(f"{name}: planned {planned}, came to {found}")
    refused = sum(foreseen[name]["created"] - found["created"] for name, found in counts.items())
    out.print(
        f"It wrote what the plan foresaw, but for {refused} records: F&O refused some customers, "
        "and contacts wait for these."
    )


def _check_first(run: dict[str, Any], company: Company, known: int) -> None:
    """Check what the first run says against what both services hold."""
    counts = {name: _only_task(template) for name, template in run["templates"].items()}
    read = {name: found["read"] for name, found in counts.items()}
    if read != {"accounts": ACCOUNTS, "contacts": CONTACTS, "contacts-to-customer": CONTACTS}:
        raise DemoError(f"the first run read {read}")
    customers, persons = company.records("CustomersV2"), company.records("CDSContactPersons")
    made = counts["accounts"]["created"] + counts["contacts-to-customer"]["created"]
    adopted = counts["accounts"]["updated"] + counts["accounts"]["unchanged"]
    if len(customers) != made + known or len(persons) != counts["contacts"]["created"]:
        raise DemoError(f"F&O holds {len(customers)} customers and {len(persons)} contact persons")
    out.print(
        f"F&O now holds {len(customers)} customers and {len(persons)} contact persons: one for "
        f"each row that was created, and {adopted} of the {known} that it had were adopted."
    )


def _only_task(template: dict[str, Any], within: str = "") -> dict[str, int]:
    (found,) = template["tasks"].values()
    return dict(found[within] if within else found)


def _stop(_number: int, _frame: object) -> NoReturn:
    # What is raised here is lost when it interrupts a finalizer.
    _stopping.set()
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
