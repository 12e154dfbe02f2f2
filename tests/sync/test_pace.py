"""Batches become as large as F&O's speed allows."""

from p2c.sync.pace import LARGEST, BatchPace


def test_the_first_batch_is_as_large_as_allowed():
    assert BatchPace().size() == LARGEST


def test_a_batch_aims_at_twenty_seconds():
    pace = BatchPace()
    pace.took(10, 10.0)
    assert pace.size() == 20


def test_a_fast_service_gets_no_more_than_the_largest_batch():
    pace = BatchPace()
    pace.took(50, 0.5)
    assert pace.size() == LARGEST


def test_a_slow_service_still_gets_one_operation_at_a_time():
    pace = BatchPace()
    pace.took(1, 60.0)
    assert pace.size() == 1


def test_an_answer_that_took_no_time_leaves_the_largest_batch():
    pace = BatchPace()
    pace.took(5, 0.0)
    assert pace.size() == LARGEST


def test_one_slow_batch_moves_the_size_only_part_of_the_way():
    pace = BatchPace()
    pace.took(10, 10.0)
    pace.took(10, 40.0)
    # 0.7 of 1 s and 0.3 of 4 s make 1.9 s each.
    assert pace.size() == 10


def test_the_size_recovers_when_the_service_does():
    pace = BatchPace()
    pace.took(1, 10.0)
    slow = pace.size()
    for _ in range(20):
        pace.took(10, 2.0)
    assert slow == 2
    assert pace.size() == LARGEST
