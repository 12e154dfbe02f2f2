"""A local Functions host, as far as p2c rests on it: queues, timers on demand, HTTP and keys.

It keeps the rules of the real one (see `tests.host.listener`) against real queues and has a real
worker's library carry out the functions. Not simulated: schedules, scaling, output bindings.
"""

import base64
import json
import re
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.host.connection import ConnectionMissingError
from tests.host.listener import QueueListener
from tests.host.process import Worker

MASTER_KEY = "master-key-of-the-test-host"
FUNCTION_KEY = "function-key-of-the-test-host"
_POLL_SECONDS = 0.02


class HostError(Exception):
    """The real host would not start."""


@dataclass(frozen=True)
class Options:
    """What host.json says, and the host's own fixed numbers; tests shorten the times."""

    route_prefix: str = "api"
    function_timeout_seconds: float = 300
    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_seconds: float = 0
    longest_poll_seconds: float = 60
    lease_seconds: float = 600

    @classmethod
    def read(cls, path: Path, **shortened):
        """Read host.json."""
        found = json.loads(path.read_text("utf-8"))
        queues = found.get("extensions", {}).get("queues", {})
        if queues.get("messageEncoding", "base64") != "base64":
            raise HostError("only base64 is simulated")
        options = cls(
            route_prefix=found.get("extensions", {}).get("http", {}).get("routePrefix", "api"),
            function_timeout_seconds=seconds(found["functionTimeout"]),
            batch_size=queues.get("batchSize", 16),
            new_batch_threshold=queues.get("newBatchThreshold", 8),
            max_dequeue_count=queues.get("maxDequeueCount", 5),
            visibility_seconds=seconds(queues.get("visibilityTimeout", "00:00:00")),
            longest_poll_seconds=seconds(queues.get("maxPollingInterval", "00:01:00")),
        )
        return replace(options, **shortened)


def seconds(span):
    """Return the seconds of an ``hh:mm:ss``."""
    hours, minutes, rest = span.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


@dataclass(frozen=True)
class Answer:
    """What a client of the HTTP functions gets."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Host:
    """Runs the app in a folder while the ``with`` block lasts."""

    def __init__(self, folder, settings, options=None):
        self.options = options or Options.read(Path(folder) / "host.json")
        self._folder = folder
        self._settings = settings
        self._lock = threading.Lock()
        self.worker = None
        self.listeners = {}
        self.notes = []

    def __enter__(self):
        self.worker = Worker.start(self._folder, self._settings)
        try:
            self._check_bindings()
        except BaseException:
            self.worker.kill()
            raise
        for listener in self.listeners.values():
            listener.start()
        return self

    def __exit__(self, *_):
        threads = [threading.Thread(target=found.stop) for found in self.listeners.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.worker.kill()

    @property
    def functions(self):
        return self.worker.functions

    @property
    def logs(self):
        """The app's own log records."""
        return [log for log in self.worker.logs if log["logger"].startswith("p2c")]

    def note(self, text):
        self.notes.append(text)

    def invoke(self, function, given, metadata=None):
        """Begin an invocation in the worker, which is started anew when it has died."""
        with self._lock:
            if self.worker.process.poll() is not None:
                self.worker.kill()
                logs = self.worker.logs
                self.worker = Worker.start(self._folder, self._settings)
                self.worker.logs[:0] = logs
            worker = self.worker
        future = worker.invoke(function, given, metadata)
        future.worker = worker
        future.begun = monotonic()
        return future

    def result(self, future, patience):
        """Wait for an invocation; one that takes too long costs the worker its life.

        Raises:
            TimeoutError: It still runs, within its time.
        """
        left = future.begun + self.options.function_timeout_seconds - monotonic()
        try:
            return future.result(max(0, min(patience, left)))
        except FutureTimeoutError:
            if monotonic() < future.begun + self.options.function_timeout_seconds:
                raise
            future.worker.kill()
            return future.result(10)

    def run_timer(self, name, *, past_due=False):
        """Have a timer fire now; returns the `Invocation`."""
        function = self.functions[name]
        payload = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": None,
            "IsPastDue": past_due,
        }
        given = {str(function.trigger["name"]): {"json": json.dumps(payload)}}
        future = self.invoke(function, given)
        return self.result(future, self.options.function_timeout_seconds)

    def request(self, method, url, *, key=None, headers=None, body=b""):
        """Send an HTTP request; `url` is path and query."""
        split = urlsplit(url)
        query = {name: value for name, value in parse_qsl(split.query) if value}
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        if key is not None:
            lowered["x-functions-key"] = key
        found = self._route(method, split.path)
        if found is None:
            return Answer(404, {}, b"")
        function, params = found
        given_key = lowered.get("x-functions-key", query.get("code"))
        level = str(function.trigger["authLevel"]).lower()
        keys = {"anonymous": None, "function": {FUNCTION_KEY, MASTER_KEY}, "admin": {MASTER_KEY}}
        if keys[level] is not None and given_key not in keys[level]:
            return Answer(401, {}, b"")
        http = {
            "method": method,
            "url": f"http://localhost{url}",
            "headers": lowered,
            "params": params,
            "query": query,
            "body": base64.b64encode(body).decode(),
        }
        future = self.invoke(function, {str(function.trigger["name"]): {"http": http}})
        done = self.result(future, self.options.function_timeout_seconds)
        if not done.ok:
            self.note(done.failure)
            return Answer(500, {}, b"")
        answer = done.output["http"]
        return Answer(answer["status"], answer["headers"], base64.b64decode(answer["body"]))

    def wait_until(self, holds, within=20):
        """Look again and again until something holds.

        Raises:
            AssertionError: It does not, `within` seconds.
        """
        deadline = monotonic() + within
        while not (found := holds()):
            assert monotonic() < deadline, f"not within {within} s; log: {self.logs[-5:]}"
            threading.Event().wait(_POLL_SECONDS)
        return found

    def _route(self, method, path):
        for function in self.functions.values():
            trigger = function.trigger
            if trigger["type"] != "httpTrigger" or method not in _methods(trigger):
                continue
            route = f"/{self.options.route_prefix}/{trigger['route']}"
            match = re.fullmatch(_pattern(route), path, re.IGNORECASE)
            if match:
                return function, {k: unquote(v) for k, v in match.groupdict().items()}
        return None

    def _check_bindings(self):
        for name, function in self.functions.items():
            trigger = function.trigger
            if self._settings.get(f"AzureWebJobs.{name}.Disabled") in ("true", "1"):
                continue
            if trigger["type"] == "timerTrigger":
                schedule = self._resolved(trigger["schedule"])
                if len(schedule.split()) != 6:
                    raise HostError(f"{name}: '{schedule}' is no schedule of six fields")
            if trigger["type"] == "queueTrigger":
                queue = self._resolved(trigger["queueName"])
                try:
                    listener = QueueListener(self, self._settings, function, queue)
                except ConnectionMissingError as error:
                    raise HostError(f"{name}: {error}") from error
                self.listeners[name] = listener

    def _resolved(self, text):
        def setting(match):
            if match[1] not in self._settings:
                raise HostError(f"'%{match[1]}%' does not resolve: there is no such setting")
            return self._settings[match[1]]

        return re.sub(r"%([^%]+)%", setting, str(text))


def _methods(trigger):
    return [str(method).upper() for method in trigger["methods"]]


def _pattern(route):
    """Return an expression for a route; only plain ``{name}`` parameters are known."""
    parts = re.split(r"\{(\w+)\}", route)
    if any("{" in part for part in parts[::2]):
        raise HostError(f"the route '{route}' needs more than this host knows")
    return "".join(
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
