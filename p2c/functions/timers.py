"""What a template's timer does: look after waiting rows, then queue what has changed."""

import logging
from collections.abc import Callable

from p2c.bootstrap import App
from p2c.errors import RetryLaterError, ThrottledError
from p2c.functions.logs import log, log_ended
from p2c.functions.queues import settle_left_behind
from p2c.odata.correlation import correlated
from p2c.sync.enumerate_changes import Enumerated
from p2c.sync.handle_message import ENUMERATE_SECONDS

ACTION = "enumerate"


def enumerate_on_timer(app: App, template: str) -> None:
    """Sweep, enumerate, clean up: each whatever becomes of the others.

    Raises:
        StopError: A step needs a person. A passing failure is only logged, for the timer comes
            again; any other error is a defect. The first one is raised after the last step.
    """
    until = app.runtime.clock.monotonic() + ENUMERATE_SECONDS
    execution = app.executions.new_id()
    steps: tuple[Callable[[], None], ...] = (
        lambda: app.observer.freshness(template),
        lambda: _sweep(app, template),
        lambda: _enumerate(app, template, execution, until),
        lambda: settle_left_behind(app, template),
        app.executions.forget_old,
        lambda: app.observer.backlog(template),
        lambda: _tell_ended(app, template),
    )
    failures: list[Exception] = []
    names = {"template": template, "execution_id": execution}
    with correlated(execution), app.runtime.telemetry.span(f"timer {template}", names):
        for step in steps:
            try:
                step()
            except RetryLaterError as error:
                log(
                    logging.WARNING,
                    "A step of the timer is left for the next time",
                    action=ACTION,
                    template=template,
                    execution_id=execution,
                    error=error,
                )
            except Exception as error:  # noqa: BLE001  one step must not keep the others from running
                failures.append(error)
    if failures:
        for failure in failures:
            log(
                logging.ERROR,
                "A step of the timer failed",
                action=ACTION,
                template=template,
                execution_id=execution,
                error=failure,
            )
        raise failures[0]


def _sweep(app: App, template: str) -> None:
    """Queue waiting rows that can go on, unless F&O asked to be left alone."""
    backoff = app.backoff["fno"]
    if backoff.until():
        return
    try:
        queued = app.waiting.sweep(template)
    except RetryLaterError as error:
        if isinstance(error, ThrottledError):
            backoff.throttled(error.retry_after_seconds)
        elif error.service == "fno":
            backoff.unavailable(error.retry_after_seconds)
        raise
    if queued:
        log(
            logging.INFO,
            "Waiting rows can go on",
            action="sweep",
            template=template,
            rows=queued,
        )


def _enumerate(app: App, template: str, execution: str, until: float) -> None:
    result = app.enumerate_changes.enumerate_template(
        template, execution, trigger="timer", until=until
    )
    _log_enumerated(template, execution, result)
    for error in result.stopped.values():
        raise error
    if not result.unfinished and not any(result.read.values()):
        app.observer.nothing_changed(template)


def _tell_ended(app: App, template: str) -> None:
    for summary in app.observer.ended(template):
        log_ended(template, summary)


def _log_enumerated(template: str, execution: str, result: Enumerated) -> None:
    for task, read in result.read.items():
        log(
            logging.INFO,
            "Changes are queued",
            action=ACTION,
            template=template,
            task=task,
            execution_id=execution,
            rows=read,
            unfinished=int(task in result.unfinished),
        )
