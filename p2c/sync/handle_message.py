"""What a queue function does with a message, and what the function on the poison queue does.

A poisoned message has failed five times for a reason that nobody foresaw. Its rows are sent round
again one by one, so that one of them cannot hold up the others; a row that has been round
`ROUNDS` times is recorded as rejected, where people see it and can retry it.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta

from p2c.errors import MessageError, RequestError, RetryLaterError, ServiceRefusedError
from p2c.model import Outcome, Reason
from p2c.sync.claims import count
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.executions import Executions
from p2c.sync.ledger import Change
from p2c.sync.messages import EnumerateMessage, Message, RowsMessage, read_message
from p2c.sync.ports import Scalar
from p2c.sync.runtime import Runtime
from p2c.sync.sync_rows import Report, RowSync
from p2c.telemetry import Kind

ROUNDS = 3
ROUND_SECONDS = 60.0
ENUMERATE_SECONDS = 200.0
"""An enumeration is left for the next message well before the function timeout of 300 s."""
_UNREADABLE = "unreadable-message"


@dataclass(frozen=True)
class Settled:
    """What became of a poisoned message: rows sent round again and rows rejected."""

    sent_again: int = 0
    rejected: int = 0
    unreadable: str = ""


class MessageHandler:
    """Handles the messages of all templates."""

    def __init__(self, runtime: Runtime, row_sync: RowSync) -> None:
        self._runtime = runtime
        self._row_sync = row_sync
        self._enumerate = EnumerateChanges(runtime)
        self._executions = Executions(runtime)

    def handle(self, text: str) -> Report:
        """Process one message; afterwards it is done with and may be removed.

        Raises:
            MessageError: It is not one of ours.
            RequestError: It names a template or task that is not known here.
        """
        message = read_message(text)
        attributes = {"template": message.template, "execution_id": message.execution}
        with self._runtime.telemetry.span(
            f"handle {message.template}", attributes, kind=Kind.CONSUMER, parent=message.trace
        ) as span:
            if not isinstance(message, RowsMessage):
                return self._enumerate_for(message)
            span.set({"task": message.task, "rows": len(message.rows), "verify": message.verify})
            report = self._row_sync.process(message)
            span.set({f"rows.{o.value}": number for o, number in report.outcomes.items()})
            if stopped := report.refused or report.unavailable:
                span.fail(stopped.code)
        return report

    def settle_poison(self, text: str) -> Settled:
        """Send a poisoned message's rows round again, or record them as rejected."""
        try:
            message = read_message(text)
            self._check_names(message)
        except (MessageError, RequestError) as error:
            return self._keep_unreadable(text, error)
        if message.rounds < ROUNDS:
            return self._send_again(message)
        if isinstance(message, RowsMessage):
            return self._reject(message)
        self._executions.update(
            message.execution,
            error=f"The request to enumerate '{message.template}' failed {ROUNDS} times over. "
            "Look at the log of its queue function, then start the resync again.",
            error_code="enumeration-failed",
        )
        return Settled(rejected=1)

    def _enumerate_for(self, message: EnumerateMessage) -> Report:
        """Enumerate for a request; what is left over or must wait comes again as a message."""
        report = Report()
        if message.rows:
            self._enumerate.enumerate_rows(
                message.template,
                message.rows,
                message.execution,
                trigger="resync",
                force=message.force,
            )
            return report
        result = self._enumerate.enumerate_template(
            message.template,
            message.execution,
            trigger="resync",
            all_data=message.everything,
            force=message.force,
            until=self._runtime.clock.monotonic() + ENUMERATE_SECONDS,
        )
        for error in result.stopped.values():
            if isinstance(error, ServiceRefusedError):
                report.refused = error
            elif isinstance(error, RetryLaterError):
                report.unavailable = error
        # What a task asks is answered by another request; this one has got as far as it can.
        stopped = report.refused or report.unavailable
        if result.unfinished or stopped:
            delay = ROUND_SECONDS if stopped else 0
            self._runtime.send(message, delay_seconds=delay)
            report.wait(self._runtime.clock.now() + timedelta(seconds=delay))
        return report

    def _send_again(self, message: Message) -> Settled:
        delay = ROUND_SECONDS * (message.rounds + 1)
        again = message.model_copy(update={"rounds": message.rounds + 1})
        if not isinstance(again, RowsMessage):
            self._runtime.send(again, delay_seconds=delay)
            return Settled(sent_again=1)
        for row in again.rows:
            alone = again.model_copy(update={"rows": (row,)})
            self._runtime.send(alone, delay_seconds=delay)
        return Settled(sent_again=len(again.rows))

    def _reject(self, message: RowsMessage) -> Settled:
        """Record rows as rejected unless another worker holds them just now."""
        runtime = self._runtime
        task = runtime.task(message.template, message.task)
        ledger, now = runtime.ledger(task), runtime.clock.now()
        reason = Reason(
            "worker-failed",
            f"Processing it failed {ROUNDS} times over for a reason that p2c does not know. Look "
            "at the log of the template's queue function, then retry the row.",
        )
        changes = []
        for entry in ledger.read(message.rows).values():
            if entry.claim and entry.claim.deadline > now:
                continue
            unsettled_until = entry.unsettled_until
            if entry.claim:
                until = entry.claim.claimed_at + timedelta(seconds=runtime.settle_seconds)
                unsettled_until = max(until, unsettled_until or until)
            counted, tally = count(entry, Outcome.REJECTED, (message.execution,))
            rejected = replace(
                entry,
                claim=None,
                unsettled_until=unsettled_until,
                outcome=Outcome.REJECTED,
                reason=reason,
                execution=message.execution,
                counted=counted,
                since=now,
            )
            changes.append(Change(rejected, tally))
        versions = ledger.write(changes)
        written = [row for row, version in versions.items() if version is not None]
        left = [row for row in message.rows if row not in written]
        if left:
            again = message.model_copy(update={"rows": tuple(left)})
            runtime.send(again, delay_seconds=ROUND_SECONDS)
        return Settled(sent_again=len(left), rejected=len(written))

    def _check_names(self, message: Message) -> None:
        """Find out that there is no such template or task, and so no queue to send it round."""
        self._runtime.template(message.template)
        if isinstance(message, RowsMessage):
            self._runtime.task(message.template, message.task)

    def _keep_unreadable(self, text: str, error: MessageError | RequestError) -> Settled:
        """Remember that there was a message nobody can read: its hash, never its text."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        body: dict[str, Scalar] = {
            "seen_at": self._runtime.clock.now().isoformat(),
            "length": len(text),
            "error": error.message,
        }
        state = self._runtime.stores.state
        known = state.get(_UNREADABLE, digest)
        state.put(_UNREADABLE, digest, body, known.version if known else None)
        return Settled(unreadable=error.message)


def unreadable_messages(runtime: Runtime) -> int:
    """Count the messages that were set aside because they could not be read."""
    return sum(1 for _ in runtime.stores.state.scan(_UNREADABLE))
