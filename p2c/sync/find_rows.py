"""Finds rows by what people have of them: an id in any spelling, or a number."""

from collections.abc import Iterable, Iterator, Sequence

from p2c.errors import cut
from p2c.mapping.task import TaskMapping
from p2c.model import RowId
from p2c.sync.messages import row_id
from p2c.sync.runtime import Runtime

MOST_CHARACTERS = 200
"""No number is longer than this; what is longer is not searched for."""


def find_rows(
    runtime: Runtime, text: str, tasks: Sequence[TaskMapping], *, ask_sales: bool
) -> list[RowId]:
    """Return the row that an id names, or the rows that have a number, by table and id.

    An id is returned as it is, whether there is such a row or not. A number that no row in Sales
    has is looked for in the whole ledger: that of a row that is gone.

    Args:
        tasks: Their tables and ledgers are searched.
        ask_sales: False while Sales is to be left alone.

    Raises:
        RetryLaterError, ServiceRefusedError: Sales or storage cannot be asked for a number.
    """
    asked, number = row_id(text), text.strip()
    if asked is not None:
        return [asked]
    if not number or len(number) > MOST_CHARACTERS:
        return []
    found = dict.fromkeys(_in_sales(runtime, number, tasks)) if ask_sales else {}
    return list(found or dict.fromkeys(_in_ledger(runtime, number, tasks)))


def not_found(text: str, tasks: Iterable[TaskMapping]) -> str:
    """Say of an id or a number that nobody knows where it was looked for, and what to do."""
    known = list(tasks)
    templates = ", ".join(dict.fromkeys(task.template for task in known))
    asked = row_id(text)
    if asked is not None:
        tables = ", ".join(dict.fromkeys(task.query.table for task in known))
        return (
            f"ROW: there is no row {asked} in Sales (searched: {tables}), and the ledger of "
            f"{templates} does not know it. Copy the id from the row's address in Sales, or give "
            "the row's number."
        )
    places = ", ".join(
        dict.fromkeys(f"{task.query.table}.{column}" for task, column in _numbers(known))
    )
    return (
        f"ROW: found '{cut(text)}'; no row in Sales has this number (searched: {places}), and no "
        f"record in the ledger of {templates} has it. Check the number in Sales, or give the row's "
        "id."
    )


def _numbers(tasks: Iterable[TaskMapping]) -> Iterator[tuple[TaskMapping, str]]:
    return ((task, column) for task in tasks for column in task.number_columns.values())


def _in_sales(runtime: Runtime, number: str, tasks: Iterable[TaskMapping]) -> Iterator[RowId]:
    searches = {(task.query.table, column): task.query for task, column in _numbers(tasks)}
    for (_, column), query in searches.items():
        yield from runtime.source.find(query, column, number)


def _in_ledger(runtime: Runtime, number: str, tasks: Iterable[TaskMapping]) -> Iterator[RowId]:
    wanted = number.casefold()
    for task in tasks:
        for entry in runtime.ledger(task).entries():
            numbers = {
                value.rstrip().casefold()
                for key in entry.keys
                for field, value in key.parts
                if field in task.number_columns
            }
            if wanted in numbers:
                yield entry.row_id
