"""What the functions on a template's queue and on its poison queue do with a message.

An outage or a broken setting must use up none of the five attempts the host gives a message, so
such a message is put back, to be seen again later, and then counts as done. What fails for a
reason nobody foresaw is left to the host, whose poison queue is the way to `settle`. A poison
queue has none of its own: the host would leave a message there that failed five times, so
`settle` puts back whatever it cannot settle.
"""

import contextlib
import logging
from collections.abc import Callable

from p2c.bootstrap import App, open_queue, poison_queue_name, queue_name
from p2c.errors import MessageError, P2cError, RequestError, RetryLaterError, StopError
from p2c.functions.logs import log
from p2c.odata.correlation import correlated
from p2c.sync.handle_message import Settled
from p2c.sync.messages import RowsMessage, read_message
from p2c.sync.ports import Queue
from p2c.sync.sync_rows import Report

PUT_BACK_SECONDS = 60.0
"""An outage or a broken setting costs one attempt a message and minute."""

SETTLE_AGAIN_SECONDS = 600.0
"""When a message that could not be settled for an unknown reason is tried again."""

LEFT_BEHIND_AT_ONCE = 32
LEFT_BEHIND_HOLD_SECONDS = 60.0


def handle(get_app: Callable[[], App], template: str, text: str) -> None:
    """Process a message of a template's queue.

    Raises:
        MessageError, RequestError: Not one of this version's messages. Raised, so that the host
            gives it again: during a deployment another instance may be newer and know it.
    """
    try:
        app = get_app()
        message = read_message(text)
        with correlated(message.execution):
            report = app.handler.handle(text)
    except (MessageError, RequestError) as error:
        log(
            logging.ERROR,
            "A message cannot be processed",
            action="sync",
            template=template,
            error=error,
        )
        raise
    except (RetryLaterError, StopError) as error:
        _put_back(queue_name(template), text, error, action="sync", template=template)
        return
    task = message.task if isinstance(message, RowsMessage) else ""
    _log_report(report, template, task, message.execution)


def settle(get_app: Callable[[], App], template: str, text: str) -> None:
    """Settle a message of a template's poison queue; put it back if that cannot be done now."""
    try:
        settled = get_app().handler.settle_poison(text)
    except Exception as error:  # noqa: BLE001  the host would leave the message for good
        known = isinstance(error, P2cError)
        _put_back(
            poison_queue_name(template),
            text,
            error,
            action="settle",
            template=template,
            seconds=PUT_BACK_SECONDS if known else SETTLE_AGAIN_SECONDS,
        )
        return
    _log_settled(settled, template, text)


def settle_left_behind(app: App, template: str) -> None:
    """Settle what the host has given up on in the poison queue.

    It invokes no function for a message that is not base64, nor for one that it has given out
    five times already.
    """
    queue = app.poison_queue(template)
    for message in queue.receive(LEFT_BEHIND_AT_ONCE, LEFT_BEHIND_HOLD_SECONDS):
        settle(lambda: app, template, message.text)
        queue.complete(message)


def _put_back(
    name: str,
    text: str,
    error: Exception,
    *,
    action: str,
    template: str,
    seconds: float = PUT_BACK_SECONDS,
) -> None:
    """Queue a message again for later.

    Raises:
        P2cError: That cannot be done either; the host keeps the message.
    """
    passing = isinstance(error, RetryLaterError)
    log(
        logging.WARNING if passing else logging.ERROR,
        "A message is put back for later",
        action=action,
        template=template,
        execution_id=_execution_of(text),
        error=error,
    )
    # The app may be what is broken; the host reached this storage with the same setting.
    queue: Queue = open_queue(name)
    queue.send(text, delay_seconds=seconds)


def _execution_of(text: str) -> str:
    with contextlib.suppress(MessageError):
        return read_message(text).execution
    return ""


def _log_report(report: Report, template: str, task: str, execution: str) -> None:
    level, message = logging.INFO, "A message is done"
    if report.refused:
        level, message = logging.ERROR, "A service refuses p2c"
    elif report.unavailable:
        level, message = logging.WARNING, "A service is to be left alone"
    log(
        level,
        message,
        action="sync",
        template=template,
        task=task,
        execution_id=execution,
        error=report.refused or report.unavailable,
        outcomes=report.outcomes,
    )


def _log_settled(settled: Settled, template: str, text: str) -> None:
    rejected = bool(settled.rejected or settled.unreadable)
    log(
        logging.ERROR if rejected else logging.WARNING,
        "A poisoned message is settled",
        action="settle",
        template=template,
        execution_id=_execution_of(text),
        sent_again=settled.sent_again,
        rejected=settled.rejected,
        unreadable=settled.unreadable,
    )
