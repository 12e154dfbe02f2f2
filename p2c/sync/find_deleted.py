"""Finds rows that were deleted unseen: compares the ledger with Sales after a full read.

A full read replaces the delta link, and with the old link goes the word of what was deleted since
the last poll. So each row that the ledger takes to be in Sales, and that the full read did not
name, is asked for by its id. Absent rows are queued like any change: each is read once more when it
is processed, and concluded from only then. They are counted first; if too many would vanish, more
likely p2c sees less than before, and a person has to say otherwise.

The comparison goes bucket by bucket and notes in the checkpoint how far it has come, so that a
crash or a function timeout costs one bucket, and of two who are at it one gives way.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from p2c.errors import ConsentError, RequestError
from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.model import Outcome, RowId
from p2c.sync.checkpoints import Checkpoint, Checkpoints, Comparison
from p2c.sync.ledger import all_buckets
from p2c.sync.runtime import Runtime

MOST_ABSENT_PERCENT = 5
"""Of the known rows so many per cent may vanish without anybody's consent."""
ROWS_PER_REQUEST = 250
"""Rows asked for at once; the client makes as many requests of them as the URL's length needs."""
COMPARE_ANYWAY_SECONDS = 3600.0
"""When rows of the full read are still under way so long after it, they are asked for, too."""

Queue = Callable[[Sequence[RowId]], None]


def most_absent(known: int) -> int:
    """Return how many of the known rows may vanish without anybody's consent."""
    return known * MOST_ABSENT_PERCENT // 100


def question(task: TaskMapping, asked: Comparison | None) -> ConsentError | None:
    """Return what a task asks, with what it may mean and both ways on; None if it asks nothing."""
    if asked is None or asked.phase != "ask":
        return None
    return ConsentError(
        f"Template '{task.template}', task '{task.task}': after a full read {asked.absent} of "
        f"{asked.known} known rows were not found in Sales, more than {MOST_ABSENT_PERCENT} % "
        f"(at most {most_absent(asked.known)} were expected). Nothing is concluded from that, and "
        "the task reads no changes until somebody decides. Likely causes: p2c's user has lost a "
        "privilege or sees fewer business units; P2C_DATAVERSE_URL names another environment; or "
        f"so many rows were deleted. If they were: 'run {task.template} --accept-deletes', or POST "
        f'/api/resync/{task.template} with {{"accept_deletes": true}}. If not, mend the cause, '
        f"then 'run {task.template} --all-data' compares anew."
    )


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Known rows of a bucket, and the names of those that are not in Sales."""

    known: int
    absent: Sequence[RowId]


class FindDeleted:
    """Compares the ledger of a task with Sales."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._checkpoints = Checkpoints(runtime.stores.state)

    def proceed(
        self,
        task: TaskMapping,
        checkpoint: Checkpoint,
        queue: Queue,
        *,
        at_once: bool,
        until: float | None = None,
    ) -> Checkpoint | None:
        """Go on with a comparison as far as it can go now.

        Args:
            queue: Puts rows on the task's queue.
            at_once: Do not wait until the full read's rows have been processed. What still is on
                the queue is then asked for, too, which costs requests but changes no result.
            until: Monotonic time at which it is left for the next time.

        Returns:
            The checkpoint as it is stored now; None when somebody else has stored another.

        Raises:
            ConsentError: Too many rows are absent, and nobody has said that they may be.
        """
        while comparison := checkpoint.comparison:
            if asked := question(task, comparison):
                raise asked
            at_once = at_once or comparison.phase == "queue" or comparison.bucket > 0
            if not (at_once or self._is_worked_off(task, comparison)):
                return checkpoint
            if until is not None and self._runtime.clock.monotonic() >= until:
                return checkpoint
            step = self._count if comparison.phase == "count" else self._queue
            saved = replace(checkpoint, comparison=step(task, comparison, queue))
            version = self._checkpoints.save(task, saved)
            if version is None:
                return None
            checkpoint, at_once = replace(saved, version=version), True
        return checkpoint

    def accept(self, template: CompiledTemplate) -> None:
        """Record a person's consent to what the template's tasks ask.

        Consent is to the number that was asked about; if many more turn out to be absent, the
        task asks again. Consent to what has been consented to changes nothing.

        Raises:
            RequestError: No task asks.
        """
        accepted = [self._accept(task) for task in template.tasks]
        if not any(accepted):
            raise RequestError(
                f"Template '{template.name}': no task asks whether rows were deleted, so there is "
                "nothing to accept. 'status' shows what is asked. Run it without accepting.",
                code="nothing-to-accept",
            )

    def _accept(self, task: TaskMapping) -> bool:
        while True:
            checkpoint = self._checkpoints.read(task)
            asked = checkpoint.comparison
            if asked is None or asked.phase != "ask":
                return asked is not None and bool(asked.asked_at)
            most = asked.absent + most_absent(asked.known)
            agreed = replace(asked, phase="queue", bucket=0, queued=0, most=most)
            if self._checkpoints.save(task, replace(checkpoint, comparison=agreed)):
                return True

    def _is_worked_off(self, task: TaskMapping, comparison: Comparison) -> bool:
        """Say whether the rows that the full read named have come to something."""
        waited = self._runtime.clock.now() - datetime.fromisoformat(comparison.read_at)
        if waited >= timedelta(seconds=COMPARE_ANYWAY_SECONDS):
            return True
        tally = self._runtime.ledger(task).tally(comparison.execution)
        return sum(tally.values()) >= comparison.read

    def _count(self, task: TaskMapping, found: Comparison, _queue: Queue) -> Comparison | None:
        """Count a bucket's rows; after the last bucket judge the sum."""
        for chunk in self._chunks(task, found):
            known, absent = found.known + chunk.known, found.absent + len(chunk.absent)
            found = replace(found, known=known, absent=absent)
        found = replace(found, bucket=found.bucket + 1)
        if found.bucket < len(all_buckets()):
            return found
        if not found.absent:
            return None
        most = most_absent(found.known)
        if found.absent > most:
            return replace(found, phase="ask", asked_at=self._runtime.clock.now().isoformat())
        return replace(found, phase="queue", bucket=0, most=most)

    def _queue(self, task: TaskMapping, found: Comparison, queue: Queue) -> Comparison | None:
        """Queue a bucket's absent rows; count anew when they are more than was judged."""
        for chunk in self._chunks(task, found):
            found = replace(found, queued=found.queued + len(chunk.absent))
            if found.queued > found.most:
                return replace(
                    found, phase="count", bucket=0, known=0, absent=0, queued=0, asked_at=""
                )
            queue(chunk.absent)
        found = replace(found, bucket=found.bucket + 1)
        return found if found.bucket < len(all_buckets()) else None

    def _chunks(self, task: TaskMapping, found: Comparison) -> Iterator[_Chunk]:
        """Ask for a bucket's rows that the full read did not name, a bounded number at once."""
        known, unseen = 0, list[RowId]()
        bucket = all_buckets()[found.bucket]
        for entry in self._runtime.ledger(task).entries(buckets=[bucket]):
            if entry.outcome is Outcome.DELETED:
                continue
            known += 1
            if entry.generation < found.generation:
                unseen.append(entry.row_id)
            if len(unseen) == ROWS_PER_REQUEST:
                yield _Chunk(known, self._absent(task, unseen))
                known, unseen = 0, []
        yield _Chunk(known, self._absent(task, unseen))

    def _absent(self, task: TaskMapping, rows: list[RowId]) -> list[RowId]:
        if not rows:
            return []
        # The primary key alone: whether they are there is all that is asked.
        there = self._runtime.source.read(replace(task.query, columns=(), lookups=()), rows)
        return [row for row in rows if row not in there]
