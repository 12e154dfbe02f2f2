"""Counting what was sent."""

import threading

from p2c.odata.meter import Meter


def test_operations_count_for_fno_only():
    meter = Meter()
    meter.count("dataverse", 50)
    meter.count("fno", 3)
    assert meter.snapshot() == {"dataverse": 1, "fno": 1, "fno_operations": 3}


def test_a_snapshot_does_not_change_any_more():
    meter = Meter()
    before = meter.snapshot()
    meter.count("fno", 1)
    assert before == {"dataverse": 0, "fno": 0, "fno_operations": 0}


def test_counting_between_threads_loses_nothing():
    meter = Meter()
    gate = threading.Barrier(4)

    def work():
        gate.wait(5)
        for _ in range(500):
            meter.count("fno", 2)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.snapshot()["fno_operations"] == 4_000
