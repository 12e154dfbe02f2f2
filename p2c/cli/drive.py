"""Runs templates here and now: enumerate, then process the queues until they are drained.

The same queues, ledger and use cases as the functions', so both may run at the same time. What is
said to people meanwhile is left to `p2c.cli.show`.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from p2c.bootstrap import App
from p2c.cli.heartbeats import Heartbeats
from p2c.cli.patience import OUTAGE_SECONDS, STALL_SECONDS, Patience
from p2c.cli.pump import HOLD_SECONDS, WORKERS, Handled, Pump
from p2c.errors import (
    ConsentError,
    P2cError,
    RetryLaterError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.mapping.task import TaskMapping
from p2c.model import Outcome, RowId
from p2c.sync.enumerate_changes import Enumerated
from p2c.sync.executions import status_of
from p2c.sync.rejected import Choice, retry_rejected

POLL_SECONDS = 0.25
EMPTY_LOOKS = 2
"""Azure may answer one receive with nothing although there is something."""
DUE_MARGIN = timedelta(seconds=2)
"""A message's delay is whole seconds, and storage has its own clock."""

Counts = Mapping[str, Mapping[str, Mapping[Outcome, int]]]


class Progress(Protocol):
    """Told how a run gets on."""

    def enumerated(self, task: TaskMapping, read: int) -> None:
        """So many rows of a task have been named."""
        ...

    def handled(self, template: str, outcomes: Mapping[Outcome, int]) -> None:
        """A message came to these outcomes."""
        ...

    def note(self, text: str) -> None:
        """Something that people should know."""
        ...


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        error: What stopped it before everything was done, None when nothing did.
    """

    execution_id: str
    status: str
    counts: Counts
    requests: Mapping[str, int]
    error: P2cError | None = None


class Driver:
    """One run, resync or retry. Its `execution` is the one that the app was built with."""

    def __init__(
        self,
        app: App,
        progress: Progress,
        *,
        workers: int = WORKERS,
        hold_seconds: float = HOLD_SECONDS,
        outage_seconds: float = OUTAGE_SECONDS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._app = app
        self._progress = progress
        self._clock = app.runtime.clock
        self._execution = app.runtime.execution
        self._templates = [template.name for template in app.templates]
        self._heartbeats = Heartbeats(
            app.runtime.stores.state,
            self._clock,
            self._execution,
            app.runtime.owner,
            hold_seconds,
            on_killed=self._note_killed,
        )
        self._patience = Patience(
            self._clock, app.backoff, outage_seconds=outage_seconds, stall_seconds=stall_seconds
        )
        self._pump = Pump(
            app.handler,
            app.queue,
            self._clock,
            self._execution,
            workers=workers,
            hold_seconds=hold_seconds,
        )
        self._due: datetime | None = None
        self._noted: set[str] = set()
        self._left: P2cError | None = None
        self._unreadable = 0
        self._left_out = False

    def run(self, *, all_data: bool = False, accept_deletes: bool = False) -> RunResult:
        """Enumerate and process the app's templates, prerequisites first.

        Args:
            accept_deletes: First consent to what each of the templates asks.

        Raises:
            RequestError: There is nothing to consent to; nothing has begun.
            P2cError: Storage cannot be used; nothing has begun.
        """
        if accept_deletes:
            self._app.ensure_storage()
            for template in self._templates:
                self._app.enumerate_changes.accept_deletes(template)

        def work() -> None:
            for template in self._templates:
                # In steps, because rows that are named by two messages at once hold each other up.
                self._drain([template], to_the_end=False)
                self._sweep(template)
                self._drain([template], to_the_end=False)
                self._enumerate(template, trigger="run", all_data=all_data)
                self._drain([template])
                self._find_deleted(template, trigger="run")
            # Rows that waited may have been woken by a later template.
            self._drain(self._templates)

        return self._carry_out("run", work)

    def _note_killed(self, execution: str) -> None:
        """Say so of an execution whose run was killed; its rows are taken up by this one."""
        self._app.executions.update(
            execution,
            error="The run ended without a word: it was killed or its machine stopped. Its rows "
            "were taken up by a later run.",
            error_code="run-killed",
        )

    def resync(self, rows: Sequence[RowId], *, force: bool = False) -> RunResult:
        """Enumerate and process chosen rows of the app's templates, or all of them."""

        def work() -> None:
            for template in self._templates:
                if rows:
                    self._app.enumerate_changes.enumerate_rows(
                        template, rows, self._execution, trigger="resync", force=force
                    )
                else:
                    self._enumerate(template, trigger="resync", all_data=True, force=force)
                self._drain([template])
                self._find_deleted(template, trigger="resync")

        return self._carry_out("resync", work)

    def retry(self, choice: Choice) -> RunResult:
        """Queue rejected rows of the app's templates again, and process them."""

        def work() -> None:
            retried = retry_rejected(
                self._app.runtime, choice, trigger="retry", execution=self._execution
            )
            for row in retried.not_rejected:
                self._progress.note(
                    f"{row} is not rejected, so it was not queued; 'resync' takes any row."
                )
            self._left_out = bool(retried.not_rejected)
            for template in retried.queued:
                self._drain([template])

        return self._carry_out("retry", work)

    def _carry_out(self, trigger: str, work: Callable[[], None]) -> RunResult:
        self._app.ensure_storage()
        executions = self._app.executions
        executions.start(self._execution, trigger, self._templates)
        error: P2cError | None = None
        try:
            with self._heartbeats.beating(self._put_back_until), self._pump:
                work()
        except P2cError as stopped:
            error = stopped
        except KeyboardInterrupt:
            error = P2cError(
                "The run was interrupted; what it had not begun stays queued for the next run.",
                code="run-interrupted",
            )
        error = error or self._left
        if error:
            # When storage is what failed, there is nowhere to record it.
            with contextlib.suppress(RetryLaterError):
                executions.update(self._execution, error=error.log_text, error_code=error.code)
        return self._result(error)

    def _put_back_until(self) -> datetime | None:
        """When everything that this run put back is visible again, asked at its end."""
        for handled in self._pump.collect(0):
            for due in (handled.again_at, handled.report and handled.report.wait_until):
                if due:
                    self._wait_until(due)
        return self._due

    def _result(self, error: P2cError | None) -> RunResult:
        counts = {
            name: tasks
            for name, tasks in self._app.executions.counts(self._execution).items()
            if name in self._templates
        }
        tallies = (tally for tasks in counts.values() for tally in tasks.values())
        status = status_of(tallies, error=error is not None)
        if (self._unreadable or self._left_out) and status == "Completed":
            status = "Warning"
        return RunResult(self._execution, status, counts, self._app.meter.snapshot(), error)

    def _sweep(self, template: str) -> None:
        """Queue waiting rows that can go on; sit out what passes."""
        while True:
            self._wait_for_services()
            try:
                self._app.waiting.sweep(template)
            except RetryLaterError as error:
                backoff = self._app.backoff.get(error.service)
                if backoff and isinstance(error, ThrottledError):
                    backoff.throttled(error.retry_after_seconds)
                elif backoff:
                    backoff.unavailable(error.retry_after_seconds)
                self._meet(error)
                continue
            self._patience.progressed()
            return

    def _enumerate(
        self, template: str, *, trigger: str, all_data: bool, force: bool = False
    ) -> None:
        """Queue what changed, or every row."""
        self._sit_out(
            lambda: self._app.enumerate_changes.enumerate_template(
                template,
                self._execution,
                trigger=trigger,
                all_data=all_data,
                force=force,
                progress=self._enumerated,
            )
        )

    def _find_deleted(self, template: str, *, trigger: str) -> None:
        """Queue what a full read shows to be deleted, and process it."""
        found = self._sit_out(
            lambda: self._app.enumerate_changes.find_deleted(
                template, self._execution, trigger=trigger, progress=self._enumerated
            )
        )
        if any(found.read.values()):
            self._drain([template])

    def _sit_out(self, step: Callable[[], Enumerated]) -> Enumerated:
        """Take a step of enumerating until it has been done; sit out what passes."""
        while True:
            self._wait_for_services()
            result = step()
            if not self._must_repeat(result):
                return result

    def _must_repeat(self, result: Enumerated) -> bool:
        """Whether a step goes on: it is unfinished, or was stopped by something that passes."""
        for error in result.stopped.values():
            if isinstance(error, ConsentError):
                # Other templates go on meanwhile.
                self._left = error
                self._note_once(error.message)
                return False
            if not isinstance(error, RetryLaterError | ServiceRefusedError):
                raise error
            self._meet(error)
        return bool(result.stopped or result.unfinished)

    def _enumerated(self, task: TaskMapping, read: int) -> None:
        self._patience.progressed()
        self._progress.enumerated(task, read)

    def _wait_for_services(self) -> None:
        """Wait until no service asks to be left alone.

        What an earlier run put back because a service did is due then, so it is waited for too.
        """
        self._patience.check()
        while closed := [until for b in self._app.backoff.values() if (until := b.until())]:
            self._wait_until(max(closed))
            self._note_backoff()
            self._patience.check()
            self._clock.sleep(POLL_SECONDS)

    def _drain(self, templates: Sequence[str], *, to_the_end: bool = True) -> None:
        """Handle messages until none is there and, in the end, none has to be waited for."""
        empty = 0
        while empty < EMPTY_LOOKS:
            self._patience.check()
            try:
                waiting = self._pump.busy or (to_the_end and self._must_wait())
                if self._pump.fill(templates) or self._pump.busy:
                    empty = 0
                    for handled in self._pump.collect(POLL_SECONDS):
                        self._take(handled)
                elif waiting:
                    self._note_backoff()
                    self._clock.sleep(POLL_SECONDS)
                else:
                    empty += 1
            except UnavailableError as error:
                if error.service != "storage":
                    raise
                self._meet(error)
                self._clock.sleep(POLL_SECONDS)

    def _must_wait(self) -> bool:
        """Whether something will be visible again that this run has to finish."""
        now = self._clock.now()
        if self._due and now < self._due + DUE_MARGIN:
            return True
        dead_until = self._heartbeats.dead_until()
        if dead_until:
            self._note_once("Waiting for what an earlier run held or put back.")
        return dead_until is not None

    def _take(self, handled: Handled) -> None:
        """Note what became of a message.

        Raises:
            P2cError: It says that the run has to stop.
        """
        if handled.again_at:
            self._wait_until(handled.again_at)
        if handled.settled:
            self._take_settled(handled)
        elif isinstance(handled.error, RetryLaterError):
            self._meet(handled.error)
        elif handled.error:
            self._progress.note(
                f"A message of '{handled.template}' failed unexpectedly and is tried again: "
                f"{type(handled.error).__name__}: {handled.error}"
            )
        report = handled.report
        if report is None:
            return
        if report.wait_until:
            self._wait_until(report.wait_until)
        if any(outcome is not Outcome.WAITING for outcome in report.outcomes) or not (
            report.wait_until or report.unavailable or report.refused
        ):
            self._patience.progressed()
        self._progress.handled(handled.template, report.outcomes)
        for error in (report.unavailable, report.refused):
            if error:
                self._meet(error)

    def _take_settled(self, handled: Handled) -> None:
        if handled.settled and handled.settled.unreadable:
            self._unreadable += 1
            self._progress.note(f"Set aside: {handled.settled.unreadable}")
            return
        self._left = P2cError(
            f"Some rows of '{handled.template}' failed again and again and were left for later: "
            f"{type(handled.error).__name__}: {handled.error}. This is a fault in p2c or in its "
            "set-up; please report it.",
            code="worker-failed",
        )
        self._progress.note(self._left.message)

    def _meet(self, error: RetryLaterError | ServiceRefusedError) -> None:
        if isinstance(error, RetryLaterError):
            self._note_once(f"{error.message} Trying again.")
        self._patience.met(error)

    def _wait_until(self, due: datetime) -> None:
        if self._due is None or due > self._due:
            self._due = due

    def _note_backoff(self) -> None:
        for service, backoff in self._app.backoff.items():
            until = backoff.until()
            if until:
                self._note_once(f"Leaving {service} alone until {until:%H:%M:%S} UTC.")

    def _note_once(self, text: str) -> None:
        if text not in self._noted and len(self._noted) < 200:
            self._noted.add(text)
            self._progress.note(text)
