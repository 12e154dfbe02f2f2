"""Measures how the app starts on a new instance: seconds and memory until its functions are known.

Each start is a new process on a copy of what is deployed, which brings no bytecode of p2c's own
modules; that of the packages is there, as pip leaves it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tools.azurite import dying_with_parent
from tools.bench.runs import BenchError
from tools.node_packages import ROOT
from tools.processes import Addresses, p2c_settings

STARTS = 5
TIMEOUT_SECONDS = 120
_INSIGHTS = "InstrumentationKey=11111111-2222-4333-8444-555555555555"
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "telemetry off": {},
    # As deployed, but sent nowhere.
    "telemetry to Azure": {
        "P2C_TELEMETRY": "azure",
        "PYTHON_ENABLE_OPENTELEMETRY": "true",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"{_INSIGHTS};IngestionEndpoint=http://127.0.0.1:9/",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    },
}
"""What is measured, a line each: a name for the table, and the settings beside the usual ones."""

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_NOWHERE = Addresses("http://127.0.0.1:9", "http://127.0.0.1:9")
"""Neither service is asked: indexing reads no setting, and the health function asks storage."""

_NO_APP = '''\
import azure.functions as func

app = func.FunctionApp()


@app.timer_trigger(arg_name="timer", schedule="0 0 0 * * *")
def nothing(timer: func.TimerRequest) -> None:
    """The least that the worker's library takes for an app."""
'''


@dataclass(frozen=True)
class Start:
    """One start.

    Attributes:
        indexed_seconds: From the start of the process until its functions were known.
        indexed_cpu_seconds: Its processor time until then, which other processes hardly touch.
        indexed_bytes: The most memory that it had until then.
        invoked_seconds: What the first invocation took, which builds the app.
        invoked_bytes: The most memory until its end.
    """

    functions: int
    indexed_seconds: float
    indexed_cpu_seconds: float
    indexed_bytes: int
    invoked_seconds: float = 0.0
    invoked_bytes: int = 0


@dataclass(frozen=True)
class StartUp:
    """Some starts of one variant, in their order.

    Attributes:
        label: Which variant.
        alone: Starts of the worker's library with an app that does nothing.
    """

    label: str
    starts: Sequence[Start]
    alone: Sequence[Start]


def measure_start_ups(
    storage: str,
    *,
    starts: int = STARTS,
    variants: Mapping[str, Mapping[str, str]] = VARIANTS,
) -> list[StartUp]:
    """Measure every variant.

    Args:
        storage: Connection string of an account that is there, for the first invocation.

    Raises:
        BenchError: The app does not start, or is not healthy then.
    """
    usual = p2c_settings(storage, _NOWHERE, settle_seconds=900) | {"P2C_HASH_KEY": "k" * 32}
    with _app(_copy_what_is_deployed) as app, _app(_write_no_app) as no_app:
        alone = [_start(no_app, {}) for _ in range(starts)]
        return [
            StartUp(label, [_start(app, {**usual, **more}) for _ in range(starts)], alone)
            for label, more in variants.items()
        ]


def lines_of(start_up: StartUp) -> list[tuple[str, str, str, str]]:
    """Return a variant's lines of the benchmark's table."""
    starts, alone, label = start_up.starts, start_up.alone, start_up.label
    seconds = (
        f"{starts[0].functions} functions; "
        f"{_seconds(start.indexed_cpu_seconds for start in starts)} of processor time; "
        f"{starts[0].indexed_seconds:.2f} s the first of {len(starts)} times; "
        "Python and the worker's library alone "
        f"{_seconds(start.indexed_seconds for start in alone)}"
    )
    memory = (
        f"{_megabytes(start.invoked_bytes for start in starts)} after the first invocation; "
        "Python and the worker's library alone "
        f"{_megabytes(start.indexed_bytes for start in alone)}"
    )
    return [
        (
            f"Start-up, {label}",
            _seconds(start.indexed_seconds for start in starts),
            "≤ 2 s",
            seconds,
        ),
        (
            f"Memory after start-up, {label}",
            _megabytes(start.indexed_bytes for start in starts),
            "≤ 150 MB",
            memory,
        ),
        (
            f"First invocation, {label}",
            _seconds(start.invoked_seconds for start in starts),
            "",
            "builds the app and asks storage twice",
        ),
    ]


def _seconds(taken: Iterable[float]) -> str:
    return f"{median(taken):.2f} s"


def _megabytes(taken: Iterable[int]) -> str:
    return f"{median(taken) / 2**20:.0f} MB"


@contextmanager
def _app(fill: Callable[[Path], None]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="p2c-bench-") as name:
        folder = Path(name)
        fill(folder)
        yield folder


def _copy_what_is_deployed(folder: Path) -> None:
    """Copy the app without bytecode, which .funcignore leaves out."""
    shutil.copytree(ROOT / "p2c", folder / "p2c", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("function_app.py", "host.json"):
        shutil.copy(ROOT / name, folder)


def _write_no_app(folder: Path) -> None:
    (folder / "function_app.py").write_text(_NO_APP)


def _start(folder: Path, settings: Mapping[str, str]) -> Start:
    """Start the app in a folder once.

    Raises:
        BenchError: It does not start, or is not healthy then.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "tools.bench.started", str(folder), str(time.time())],
        cwd=ROOT,
        # Every start is that of a new instance: it leaves no bytecode to the next one.
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **settings},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        preexec_fn=dying_with_parent(),
    )
    if done.returncode != 0:
        raise BenchError(f"The app did not start on {sys.executable}:\n{done.stderr}")
    report = json.loads(done.stdout)
    answer = report.pop("answer", "200")
    if not answer.startswith("200"):
        raise BenchError(f"The app started, but its health function answered {answer}")
    return Start(**report)
