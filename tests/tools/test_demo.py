"""The demo is as it says, and leaves no process behind however it ends."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]
finds_processes = pytest.mark.skipif(
    sys.platform != "linux", reason="finds the demo's processes in /proc, which only Linux has"
)


def start(mark: str) -> subprocess.Popen[str]:
    """Start the demo; every process that it starts inherits the mark."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools.demo"],
        cwd=ROOT,
        env=os.environ | {"P2C_DEMO_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def marked(mark: str) -> list[int]:
    """The processes that carry the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # It has ended meanwhile, or is another user's.
            continue
    return found


@pytest.fixture(scope="module")
def finished() -> tuple[str, int, str]:
    """What a whole demo showed, its exit status, and the mark of its processes."""
    mark = uuid.uuid4().hex
    with start(mark) as demo:
        shown, _ = demo.communicate(timeout=180)
    return shown, demo.returncode, mark


def test_the_demo_shows_what_it_says_within_three_minutes(finished) -> None:
    shown, status, _ = finished
    assert status == 0, shown
    assert shown.count("✓") == 10
    assert "✗" not in shown
    assert "Why rows were skipped, wait or were rejected:" in shown
    assert "Everything was as it should be" in shown


@finds_processes
def test_the_demo_leaves_no_process(finished) -> None:
    _, _, mark = finished
    assert marked(mark) == []


@finds_processes
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_is_stopped_leaves_no_process(how) -> None:
    mark = uuid.uuid4().hex
    with start(mark) as demo:
        for line in demo.stdout:
            if line.startswith("p2c plan"):  # Everything is up and the first command begins.
                break
        assert len(marked(mark)) > 2
        demo.send_signal(how)
        demo.wait(60)
        demo.stdout.close()
    deadline = time.monotonic() + 20
    while marked(mark):
        assert time.monotonic() < deadline, marked(mark)
