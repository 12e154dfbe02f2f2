"""``make demo``: three templates on a made-up company, by the commands that anyone would use.

Starts Azurite and the sandbox, runs, edits and breaks rows in Sales, runs again, and checks each
thing it says: it exits with 1 when something is not as it claims. The edits are in
`tools.demo_edits`. No process is left behind.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from tools.azurite import ROOT, AzuriteError, azurite, dying_with_parent
from tools.demo_edits import Company, make_edits
from tools.processes import SandboxError, p2c_settings, sandbox

ACCOUNTS, CONTACTS, FILLED = 320, 1_600, 40
SIZE = (
    *("--accounts", str(ACCOUNTS), "--contacts", str(CONTACTS)),
    *("--filled-customers", str(FILLED)),
)
SETTLE_SECONDS = 2
RUN_SECONDS = 120
OUTCOMES = ("created", "updated", "unchanged", "skipped", "waiting", "rejected", "deleted")

out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)


class DemoError(Exception):
    """Something is not as the demo claims."""


class P2c:
    """Runs the command line in processes of its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}

    def __call__(self, *words: str, status: int = 0) -> Any:
        """Run a command with ``--json`` and return its document.

        Raises:
            DemoError: It ends with another status than expected.
        """
        done = subprocess.run(
            [sys.executable, "-m", "p2c", *words, "--json"],
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
        return json.loads(done.stdout)


def main() -> int:
    """Run the demo; 0 when everything was as it says."""
    signal.signal(signal.SIGTERM, _stop)
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
    _say(
        f"A company has {ACCOUNTS} accounts and {CONTACTS:,} contacts in Sales, with the mess of "
        f"real data. F&O already has {known} of the accounts as customers, a few out of date. "
        "Both services are simulated here; the queues and tables are in Azurite. "
        f"(P2C_SETTLE_SECONDS is {SETTLE_SECONDS} because the sandbox finishes no request late; "
        "real services need the default.)"
    )
    _say("p2c run  # every template, prerequisites first")
    first = p2c("run", status=1)
    _show_run(first)
    _check_first(first, company, known)
    _say("Why rows were skipped, wait or were rejected:")
    _show_reasons(p2c("status"))

    _say("Now people work in Sales:")
    edits = make_edits(company, p2c("rejected", "list"))
    for edit in edits:
        out.print(f"  • {edit.done}")
    _say("p2c run  # only what changed, and what waits for it")
    second = p2c("run", status=1)
    _show_run(second)
    if _only_task(second["templates"]["contacts"])["deleted"] != 1:
        raise DemoError("the second run noted no deleted contact")
    rejected = p2c("rejected", "list")
    for edit in edits:
        found = edit.look(company, rejected)
        out.print(f"  {'✓' if found else '✗'} {edit.expected}")
        if not found:
            raise DemoError(f"expected after the second run: {edit.expected}")

    _say("p2c run  # nothing changed: one request a task, none to F&O")
    third = p2c("run")
    _show_run(third)
    tasks = sum(len(template["tasks"]) for template in third["templates"].values())
    if third["requests"] != {"dataverse": tasks, "fno": 0, "fno_operations": 0}:
        raise DemoError(f"an idle run sent {third['requests']}")


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


def _only_task(template: dict[str, Any]) -> dict[str, int]:
    (counts,) = template["tasks"].values()
    return dict(counts)


def _show_run(run: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("Task", no_wrap=True)
    tasks = {
        name: counts
        for found in run["templates"].values()
        for name, counts in found["tasks"].items()
    }
    shown = ["read", *(name for name in OUTCOMES if any(found[name] for found in tasks.values()))]
    for name in shown:
        table.add_column(name, justify="right")
    for task, counts in tasks.items():
        table.add_row(task, *(str(counts[name]) for name in shown))
    out.print(table)
    requests = run["requests"]
    out.print(
        f"{run['status']} in {run['seconds']:.1f} s; requests: Dataverse {requests['dataverse']}, "
        f"F&O {requests['fno']} with {requests['fno_operations']} operations"
    )


def _show_reasons(status: dict[str, Any]) -> None:
    for task in status["tasks"]:
        for reason in task["reasons"]:
            out.print(f"  {task['task']}: {reason['rows']} {reason['outcome']}")
            out.print(f"    {reason['example']['reason']} [{reason['code']}]")


def _say(text: str) -> None:
    out.print(f"\n{text}")


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
