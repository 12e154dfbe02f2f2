"""What p2c does about deleted rows with one part taken out, each time another."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from p2c.model import RowId
from p2c.sync import decide, row_work, write_rows
from p2c.sync.decide import Plan
from p2c.sync.find_deleted import FindDeleted
from p2c.sync.ledger import Entry
from p2c.sync.row_work import Work
from tests.sync.mutants import Mutant, patched


def nothing_is_compared_after_a_full_read() -> Any:
    """What was deleted while the link expired stays unnoticed."""
    return patched(
        (FindDeleted, "proceed", lambda _self, _task, checkpoint, _queue, **_more: checkpoint)
    )


def a_comparison_is_over_before_its_rows_are_queued() -> Any:
    """The checkpoint moves on first."""
    proceed = FindDeleted.proceed

    def early(self: FindDeleted, task: Any, checkpoint: Any, queue: Any, **more: Any) -> Any:
        rows: list[RowId] = []
        compared = proceed(self, task, checkpoint, rows.extend, **more)
        queue(rows)
        return compared

    return patched((FindDeleted, "proceed", early))


def a_deleted_row_settles_without_a_late_look() -> Any:
    """Whatever was sent before, a look at any time will do for a row that is gone."""
    settle = row_work._unsettled_until

    def careless(work: Work, horizon: datetime, now: datetime) -> datetime | None:
        return None if work.row is None and not work.unknown else settle(work, horizon, now)

    return patched((row_work, "_unsettled_until", careless))


def a_deleted_row_keeps_its_hashes_though_unsettled() -> Any:
    """Fields that nobody compares on a deleted row are trusted when it is restored."""
    return patched((decide, "doubted", dict))


def a_mark_is_not_noted_before_it_is_sent() -> Any:
    """A crash makes p2c forget that the mark is its own."""
    return _deleted_plans(lambda _entry, plan: replace(plan, needs_intent=False))


def a_mark_is_not_noted_after_it_was_sent() -> Any:
    """A restored row keeps the mark."""
    return _deleted_plans(lambda entry, plan: replace(plan, hashes_after=entry.hashes))


def only_the_last_record_of_a_deleted_row_is_marked() -> Any:
    """A record under a former key is brought back to life by a late request."""
    return _deleted_plans(
        lambda entry, plan: replace(
            plan,
            operations=tuple(found for found in plan.operations if found.key == entry.current_key),
        )
    )


def _deleted_plans(change: Callable[[Entry, Plan], Plan]) -> Any:
    plan_deleted = write_rows.plan_deleted

    def changed(task: Any, entry: Entry, found: Any, hash_key: bytes) -> Plan:
        return change(entry, plan_deleted(task, entry, found, hash_key))

    return patched((write_rows, "plan_deleted", changed))


DELETE_MUTANTS: tuple[Mutant, ...] = (
    nothing_is_compared_after_a_full_read,
    a_comparison_is_over_before_its_rows_are_queued,
    a_deleted_row_settles_without_a_late_look,
    a_deleted_row_keeps_its_hashes_though_unsettled,
    a_mark_is_not_noted_before_it_is_sent,
    a_mark_is_not_noted_after_it_was_sent,
    only_the_last_record_of_a_deleted_row_is_marked,
)
