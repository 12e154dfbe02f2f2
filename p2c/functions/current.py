"""The app and the telemetry of this process, made at the first invocation.

Indexing runs without settings, and a function that fails for want of one says so each time, so
nothing is built at import and a failure is not remembered. Azure restarts the process when a
setting changes.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import azure.functions as func

from p2c.bootstrap import App, build_app, start_telemetry
from p2c.errors import P2cError, SettingError
from p2c.functions.logs import log
from p2c.functions.unforeseen import UnforeseenError, kind_and_place
from p2c.settings import load_settings, load_telemetry_settings
from p2c.telemetry import SILENT, Telemetry

_lock = threading.Lock()
_built: list[App] = []
_started: list[Telemetry] = []


@contextmanager
def invocation(context: func.Context) -> Iterator[None]:
    """Carry out an invocation as a part of what the Functions host tells of it.

    The worker's library does that for asynchronous functions only. Telemetry is begun here, so that
    it tells of an app that cannot be built, too.

    The host logs what is raised, with all that it came from, and these texts may quote a value of
    a row.

    Raises:
        P2cError: As it was, but for the words that may not be logged and what it came from.
        UnforeseenError: In place of any error that is not p2c's.
    """
    with _telemetry().within(context.trace_context.trace_parent or ""):
        try:
            yield
        except P2cError as error:
            error.args = (error.log_text,)
            raise error from None
        except Exception as error:  # noqa: BLE001  whatever it is, its text must not be logged
            place = kind_and_place(error)
            log(logging.ERROR, "A function failed", action="function", error=error)
            raise UnforeseenError(f"p2c failed for a reason it does not know: {place}") from None


def _telemetry() -> Telemetry:
    """Return this process's telemetry, begun at the first call; it never keeps p2c from working."""
    with _lock:
        if not _started:
            try:
                _started.append(start_telemetry(load_telemetry_settings()))
            except SettingError as error:
                _started.append(SILENT)
                log(logging.ERROR, "Telemetry is not sent", action="telemetry", error=error)
        return _started[0]


def current_app() -> App:
    """Return this process's app.

    Raises:
        SettingError, TemplateError: It cannot be built before a person mends something.
        UnavailableError, ServiceRefusedError: Storage, which keeps the key of the field hashes.
    """
    telemetry = _telemetry()
    with _lock:
        if not _built:
            _built.append(build_app(load_settings(), telemetry=telemetry))
        return _built[0]
