"""What the demo prints of the documents that the commands give it."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

OUTCOMES = ("created", "updated", "unchanged", "skipped", "waiting", "rejected", "deleted")

out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)


def say(text: str) -> None:
    """Print a paragraph."""
    out.print(f"\n{text}")


def show_plan(plan: dict[str, Any]) -> None:
    """Print what a plan comes to, and the first record that it would change."""
    tasks = {
        name: task for found in plan["templates"].values() for name, task in found["tasks"].items()
    }
    out.print(_counts({name: task["counts"] for name, task in tasks.items()}))
    write = next(
        write
        for task in tasks.values()
        for row in task["rows"]
        for write in row["operations"]
        if write["action"] == "update"
    )
    out.print(f"For example it would update {write['key']}:")
    for field, values in write["fields"].items():
        out.print(f"  {field}: {values['old']!r} → {values['new']!r}")


def show_run(run: dict[str, Any]) -> None:
    """Print what a run came to."""
    tasks = {
        name: counts
        for found in run["templates"].values()
        for name, counts in found["tasks"].items()
    }
    out.print(_counts(tasks))
    requests = run["requests"]
    out.print(
        f"{run['status']} in {run['seconds']:.1f} s; requests: Dataverse {requests['dataverse']}, "
        f"F&O {requests['fno']} with {requests['fno_operations']} operations"
    )


def show_reasons(status: dict[str, Any]) -> None:
    """Print the reasons that rows have, each with an example."""
    for task in status["tasks"]:
        for reason in task["reasons"]:
            out.print(f"  {task['task']}: {reason['rows']} {reason['outcome']}")
            out.print(f"    {reason['example']['reason']} [{reason['code']}]")


def _counts(tasks: Mapping[str, Mapping[str, int]]) -> Table:
    """Return a table with a line for each task; outcomes that none has are left out."""
    table = Table(box=None, pad_edge=False)
    table.add_column("Task", no_wrap=True)
    shown = ["read", *(name for name in OUTCOMES if any(found[name] for found in tasks.values()))]
    for name in shown:
        table.add_column(name, justify="right")
    for task, counts in tasks.items():
        table.add_row(task, *(str(counts[name]) for name in shown))
    return table
