"""The host's end of a worker process: starts it, calls functions in it, sees it die."""

import contextlib
import itertools
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30


class WorkerError(Exception):
    """The app cannot be indexed; the text is the worker's."""


@dataclass(frozen=True)
class Function:
    """An indexed function, as the worker reports it."""

    name: str
    function_id: str
    bindings: tuple[Mapping[str, object], ...]
    retry: Mapping[str, object] | None

    @property
    def trigger(self):
        return next(b for b in self.bindings if str(b["type"]).endswith("Trigger"))


@dataclass(frozen=True)
class Invocation:
    """What an invocation came to. `output` is what the function returned, as the wire has it."""

    ok: bool
    output: Mapping[str, object] | None = None
    failure: str = ""


@dataclass
class Worker:
    """A running worker process.

    Attributes:
        functions: By name.
        logs: Records that the app has written, oldest first.
    """

    process: subprocess.Popen
    functions: dict[str, Function] = field(default_factory=dict)
    logs: list[dict] = field(default_factory=list)
    _pending: dict[str, Future] = field(default_factory=dict)
    _numbers: itertools.count = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, folder, settings):
        """Start a worker for the app in a folder; it sees these settings and no others."""
        kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TMPDIR") if k in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.host.worker", str(folder)],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT), **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        worker = cls(process)
        started = Future()
        worker._pending["start"] = started
        threading.Thread(target=worker._read, name="worker-answers", daemon=True).start()
        try:
            found = started.result(START_SECONDS)
        except BaseException:
            worker.kill()
            raise
        if "failure" in found:
            worker.kill()
            raise WorkerError(found["failure"])
        for function in found["functions"]:
            worker.functions[function["name"]] = Function(
                function["name"], function["id"], tuple(function["bindings"]), function["retry"]
            )
        return worker

    def invoke(self, function, given, metadata=None):
        """Begin an invocation; the future gives an `Invocation`, also when the process dies.

        The worker is told of a span of the host's, as `Future.traceparent` says.
        """
        call = str(next(self._numbers))
        traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        future = Future()
        future.traceparent = traceparent
        line = json.dumps(
            {
                "call": call,
                "function": function.function_id,
                "input": given,
                "metadata": metadata or {},
                "traceparent": traceparent,
            }
        )
        with self._lock:
            self._pending[call] = future
            try:
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
            except (OSError, ValueError):
                self._pending.pop(call).set_result(_GONE)
        return future

    def kill(self):
        """Kill the process, as the host does after a timeout."""
        self.process.kill()
        self.process.wait()
        with self._lock, contextlib.suppress(OSError):
            self.process.stdin.close()

    def _read(self):
        with self.process.stdout as lines:
            for line in lines:
                answer = json.loads(line)
                if "log" in answer:
                    self.logs.append(answer["log"])
                elif "call" in answer:
                    done = Invocation(answer["ok"], answer.get("output"), answer.get("failure", ""))
                    self._pending.pop(answer["call"]).set_result(done)
                else:
                    self._pending.pop("start").set_result(answer)
        with self._lock:
            pending, self._pending = self._pending, {}
        for name, future in pending.items():
            future.set_result({"failure": "the worker process ended"} if name == "start" else _GONE)


_GONE = Invocation(ok=False, failure="the worker process ended")
