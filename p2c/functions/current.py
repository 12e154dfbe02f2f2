"""The app of this process, built at the first invocation.

Indexing runs without settings, and a function that fails for want of one says so each time, so
nothing is built at import and a failure is not remembered. Azure restarts the process when a
setting changes.
"""

import threading

from p2c.bootstrap import App, build_app
from p2c.settings import load_settings

_lock = threading.Lock()
_built: list[App] = []


def current_app() -> App:
    """Return this process's app.

    Raises:
        SettingError, TemplateError: It cannot be built before a person mends something.
        UnavailableError, ServiceRefusedError: Storage, which keeps the key of the field hashes.
    """
    with _lock:
        if not _built:
            _built.append(build_app(load_settings()))
        return _built[0]
