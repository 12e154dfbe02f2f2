"""The protocol with one part taken out, each time another: the property test must notice."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from unittest import mock

from p2c.mapping.task import TaskMapping
from p2c.model import Put, RecordKey, RowId, SourceRow
from p2c.sync import decide, dependants, row_work, sync_rows, write_rows
from p2c.sync.checkpoints import Checkpoint, Checkpoints
from p2c.sync.claims import Held
from p2c.sync.dependants import ChangedLookups, Known, Seen
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.hashing import MAYBE
from p2c.sync.known_notes import Epoch
from p2c.sync.ledger import Change, Entry, Ledger, Tally
from p2c.sync.messages import RowsMessage
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.row_work import Work
from p2c.sync.write_rows import RowWriter

Mutant = Callable[[], contextlib.AbstractContextManager[object]]


def claims_are_not_exclusive() -> Any:
    """A claim held by a living worker is ignored."""
    write = Ledger.write

    def unconditional(self: Ledger, changes: Sequence[Change]) -> Any:
        versions = self.read([change.entry.row_id for change in changes])
        return write(
            self,
            [
                replace(
                    change,
                    entry=replace(change.entry, version=versions[change.entry.row_id].version),
                )
                for change in changes
            ],
        )

    def free(self: Ledger, row_ids: Sequence[RowId]) -> dict[RowId, Entry]:
        return {row: replace(entry, claim=None) for row, entry in read(self, row_ids).items()}

    read = Ledger.read
    return patched((Ledger, "write", unconditional), (Ledger, "read", free))


def busy_rows_are_dropped() -> Any:
    """A row that another worker holds is not queued again."""
    return patched((sync_rows.RowSync, "requeue_busy", lambda *_: None))


def nothing_is_verified() -> Any:
    """No verification is queued for unsettled rows."""
    return patched((sync_rows.RowSync, "queue_verifications", lambda *_: None))


def a_takeover_trusts_the_lost_worker() -> Any:
    """An expired claim leaves the row settled."""
    return patched((sync_rows, "take_over", lambda entry, _settle: entry))


def an_early_look_settles() -> Any:
    """Any look settles, also one that a late request may still prove wrong."""

    def settle(work: Work, horizon: datetime, now: datetime) -> datetime | None:
        return horizon if work.unknown else None

    return patched((row_work, "_unsettled_until", settle))


def an_unknown_answer_counts_as_none() -> Any:
    """A write without an answer is taken for one that was not carried out."""

    def shrug(self: Work) -> None:
        self.try_again(None, 1)

    return patched((Work, "answer_lost", shrug))


def an_unsettled_ledger_is_trusted() -> Any:
    """The ledger's hashes decide although earlier requests may still act."""

    def trusted(entry: Entry, key: RecordKey) -> bool:
        current = entry.current_key
        return (
            current is not None
            and current.identity == key.identity
            and bool(entry.hashes)
            and MAYBE not in entry.hashes.values()
        )

    return patched((write_rows, "is_trusted", trusted))


def finishing_is_not_conditional() -> Any:
    """A worker that lost its claim records its outcome all the same."""

    def finish(self: Held, finished: Sequence[tuple[Entry, Tally]]) -> set[RowId]:
        for entry, tally in finished:
            stored = self.ledger.read([entry.row_id])[entry.row_id]
            self.ledger.write([Change(replace(entry, claim=None, version=stored.version), tally)])
            self.entries.pop(entry.row_id, None)
        return set()

    return patched((Held, "finish", finish))


def the_deadline_is_not_checked() -> Any:
    """A worker that stalled sends however late it is."""
    return patched((Held, "may_send_before", lambda _self: float("inf")))


def nothing_is_noted_before_sending() -> Any:
    """Keys and newly written fields are not stored before they are sent."""

    def intend(self: RowWriter, works: Iterable[Work], held: Held) -> list[Work]:
        return [
            work for work in works if not work.outcome and work.plan and work.row_id in held.entries
        ]

    return patched((RowWriter, "_intend", intend))


def old_keys_are_forgotten() -> Any:
    """Only the current key is looked at; a record under an old one stays as it is."""
    return patched(
        (write_rows, "keys_to_look_up", lambda _entry, mapped: (mapped.key,)),
        (decide, "_retirements", lambda *_: []),
    )


def what_was_written_under_old_keys_is_forgotten() -> Any:
    """A record that the row comes back to is taken for one that p2c never wrote."""
    left = decide._left

    def nothing(entry: Entry, key: RecordKey) -> Any:
        return dict.fromkeys(left(entry, key), frozenset())

    return patched((decide, "_left", nothing))


def the_link_is_saved_before_the_rows_are_queued() -> Any:
    """The checkpoint moves on first."""
    follow = EnumerateChanges._follow

    def early(self: EnumerateChanges, task: Any, checkpoint: Checkpoint, work: Any) -> bool:
        page = self._runtime.source.changes(task.query, checkpoint.delta_link, tracked=True)
        while page.next_link:
            page = self._runtime.source.changes(task.query, page.next_link, tracked=True)
        assert page.delta_link
        Checkpoints(self._runtime.stores.state).save(
            task, replace(checkpoint, delta_link=page.delta_link)
        )
        return follow(self, task, checkpoint, work)

    return patched((EnumerateChanges, "_follow", early))


def rows_are_read_before_they_are_claimed() -> Any:
    """The decision rests on a read that another worker's write may have overtaken."""
    process = sync_rows.RowSync.process

    class ReadEarly:
        def __init__(self, rows: dict[RowId, SourceRow]) -> None:
            self.rows = rows

        def read(self, _query: object, row_ids: Sequence[RowId]) -> dict[RowId, SourceRow]:
            return {row: self.rows[row] for row in row_ids if row in self.rows}

    def early(self: sync_rows.RowSync, message: RowsMessage) -> sync_rows.Report:
        task = self._runtime.task(message.template, message.task)
        rows = self._runtime.source.read(task.query, message.rows)
        self._runtime = replace(self._runtime, source=cast("Any", ReadEarly(rows)))
        return process(self, message)

    return patched((sync_rows.RowSync, "process", early))


def nobody_wakes_or_sweeps() -> Any:
    """Rows that wait are left waiting."""
    return patched((WaitingRows, "wake", lambda *_: None), (WaitingRows, "sweep", lambda *_: 0))


def looked_up_changes_are_ignored() -> Any:
    """A row is only processed when it is edited itself."""
    return patched((ChangedLookups, "follow", lambda *_, **__: None))


def only_the_row_itself_compares() -> Any:
    """What refers to a row says nothing of the value it has read."""
    seen = ChangedLookups._seen

    def own(self: ChangedLookups, task: TaskMapping, rows: Iterable[SourceRow]) -> Any:
        return seen(self, task, [replace(row, lookups={}) for row in rows])

    return patched((ChangedLookups, "_seen", own))


def only_what_refers_to_a_row_compares() -> Any:
    """The row that changed says nothing itself."""
    seen = ChangedLookups._seen

    def behind(self: ChangedLookups, task: TaskMapping, rows: Iterable[SourceRow]) -> Any:
        found = seen(self, task, rows)
        found.pop(task.query.table, None)
        return found

    return patched((ChangedLookups, "_seen", behind))


def a_search_is_noted_as_done_before_it_is() -> Any:
    """The new value is stored first, without a mark."""
    queue = ChangedLookups._queue_dependants

    def unmark_first(self: ChangedLookups, table: str, marked: Any, execution: str) -> None:
        self._remove_marks(table, marked)
        queue(self, table, marked, execution)

    return patched(
        (ChangedLookups, "_queue_dependants", unmark_first),
    )


def a_mark_is_taken_for_a_search_that_is_done() -> Any:
    """What another worker has marked is left to it, dead or alive."""

    def trusting(known: Known | None, seen: Seen) -> Known | None:
        without = Known(known.hashes) if known else None
        return note(without, seen)

    note = dependants.noted
    return patched((dependants, "noted", trusting))


def a_note_changes_within_its_epoch() -> Any:
    """What other processes remember of a note is not made void when it changes."""

    def change(self: ChangedLookups, epoch: Epoch, puts: Sequence[Put]) -> dict[RowId, str]:
        return self._put(epoch.partition, puts)

    return patched((ChangedLookups, "_change", change))


@contextlib.contextmanager
def patched(*patches: tuple[Any, str, Any]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for target, name, replacement in patches:
            stack.enter_context(mock.patch.object(target, name, replacement))
        yield


MUTANTS: tuple[Mutant, ...] = (
    claims_are_not_exclusive,
    busy_rows_are_dropped,
    nothing_is_verified,
    a_takeover_trusts_the_lost_worker,
    an_early_look_settles,
    an_unknown_answer_counts_as_none,
    an_unsettled_ledger_is_trusted,
    finishing_is_not_conditional,
    the_deadline_is_not_checked,
    nothing_is_noted_before_sending,
    old_keys_are_forgotten,
    what_was_written_under_old_keys_is_forgotten,
    the_link_is_saved_before_the_rows_are_queued,
    rows_are_read_before_they_are_claimed,
    nobody_wakes_or_sweeps,
)

LOOKUP_MUTANTS: tuple[Mutant, ...] = (
    looked_up_changes_are_ignored,
    only_the_row_itself_compares,
    only_what_refers_to_a_row_compares,
    a_search_is_noted_as_done_before_it_is,
    a_mark_is_taken_for_a_search_that_is_done,
    a_note_changes_within_its_epoch,
)
