"""The start of the functions is measured on what is deployed, and keeps its aims for memory."""

import re
import signal
import sys

import pytest

from tests.host.needs import needs_worker
from tests.support.triggers import triggers
from tools.bench import __main__ as bench
from tools.bench import start_up
from tools.bench.runs import BenchError
from tools.bench.start_up import StartUp, lines_of, measure_start_ups
from tools.processes import p2c_settings

pytestmark = [*needs_worker, pytest.mark.xdist_group("start-up")]
VARIANTS = {"as it is": {}, "hasty": {"P2C_SETTLE_SECONDS": "0"}}
BALLAST_BYTES = 300 * 2**20


@pytest.fixture(scope="module")
def measured(azurite_connection_string: str) -> list[StartUp]:
    # A child begins as a copy of its parent; what this one has is not to be counted.
    ballast = bytearray(b"x") * BALLAST_BYTES
    found = measure_start_ups(azurite_connection_string, starts=2, variants=VARIANTS)
    assert len(ballast) == BALLAST_BYTES
    return found


def test_each_variant_is_started_as_often_as_asked(measured: list[StartUp]) -> None:
    assert [(found.label, len(found.starts), len(found.alone)) for found in measured] == [
        ("as it is", 2, 2),
        ("hasty", 2, 2),
    ]


def test_every_function_is_indexed_and_the_library_alone_has_none_of_them(
    measured: list[StartUp],
) -> None:
    for found in measured:
        assert {start.functions for start in found.starts} == {len(triggers())}
        assert {start.functions for start in found.alone} == {1}


def test_the_app_takes_longer_and_more_than_the_library_alone(measured: list[StartUp]) -> None:
    start, alone = measured[0].starts[0], measured[0].alone[0]
    assert 0 < alone.indexed_cpu_seconds < start.indexed_cpu_seconds
    assert all(0 < one.indexed_cpu_seconds < 2 * one.indexed_seconds for one in (alone, start))
    assert alone.indexed_bytes < start.indexed_bytes <= start.invoked_bytes
    assert start.invoked_seconds > 0


def test_memory_stays_within_the_aim_and_is_that_of_the_process_alone(
    measured: list[StartUp],
) -> None:
    assert measured[0].alone[0].indexed_bytes > 10 * 2**20
    for found in measured:
        assert all(start.invoked_bytes < 150 * 2**20 < BALLAST_BYTES for start in found.starts)


def test_each_variant_has_its_lines_with_figures_beside_the_aims(measured: list[StartUp]) -> None:
    lines = [line for found in measured for line in lines_of(found)]
    assert [(name, aim) for name, _, aim, _ in lines] == [
        (f"{what}, {label}", aim)
        for label in VARIANTS
        for what, aim in (
            ("Start-up", "≤ 2 s"),
            ("Memory after start-up", "≤ 150 MB"),
            ("First invocation", ""),
        )
    ]
    assert [re.sub("[0-9]+", "0", figure) for _, figure, _, _ in lines] == [
        "0.0 s",
        "0 MB",
        "0.0 s",
    ] * 2
    assert lines[0][3].startswith(f"{len(triggers())} functions; ")


def test_an_app_that_is_not_healthy_after_its_start_is_no_measurement(
    azurite_connection_string: str,
) -> None:
    broken = {"broken": {"P2C_SETTLE_SECONDS": "soon"}}
    with pytest.raises(BenchError, match=r"its health function answered 503 .*setting-invalid"):
        measure_start_ups(azurite_connection_string, starts=1, variants=broken)


def test_the_copy_is_what_starts_and_an_app_that_does_not_is_told_in_its_words() -> None:
    with start_up._app(start_up._copy_what_is_deployed) as folder:
        (folder / "p2c" / "__init__.py").write_text("raise ImportError('made to fail')")
        with pytest.raises(BenchError, match=r"The app did not start on (?s:.*)made to fail"):
            start_up._start(folder, {})


def test_every_start_is_the_first_one_on_its_instance(azurite_connection_string: str) -> None:
    settings = p2c_settings(azurite_connection_string, start_up._NOWHERE, 900)
    with start_up._app(start_up._copy_what_is_deployed) as folder:
        assert start_up._start(folder, settings).functions == len(triggers())
        assert not list(folder.rglob("*.pyc"))


def test_start_up_alone_can_be_asked_for(
    measured: list[StartUp], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "measure_start_ups", lambda _storage: measured)
    monkeypatch.setattr(sys, "argv", ["bench", "--start-up", "--markdown"])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert bench.main() == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 3 * len(VARIANTS)
    assert rows[2].startswith("| Start-up, as it is | ")
