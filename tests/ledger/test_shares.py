"""Shares of what all projects use together."""

from uuid import uuid4

import pytest

from ledger.shares import MinuteCounts, ProjectSlots

ONE, OTHER = uuid4(), uuid4()


def test_a_project_has_so_many_places_and_others_have_theirs() -> None:
    slots = ProjectSlots(3, 2)
    assert [slots.acquire(ONE) for _ in range(3)] == [True, True, False]
    assert [slots.acquire(OTHER) for _ in range(2)] == [True, False]
    slots.release(ONE)
    assert slots.acquire(OTHER)


def test_amounts_are_counted_by_the_minute_and_by_project() -> None:
    now = [59.0]
    counts = MinuteCounts(lambda: now[0])
    counts.add(ONE, 2)
    counts.add(ONE, 3)
    assert (counts.read(ONE), counts.read(OTHER), counts.seconds_left()) == (5, 0, 1)
    now[0] = 60.0
    assert counts.read(ONE) == 0


def test_processor_time_counts_whether_the_work_succeeds_or_not() -> None:
    counts = MinuteCounts(lambda: 0.0)
    with counts.count_processor_time(ONE):
        sum(range(100_000))
    succeeded = counts.read(ONE)

    def fail() -> None:
        with counts.count_processor_time(ONE):
            sum(range(100_000))
            raise ValueError("a template failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    assert 0 < succeeded < counts.read(ONE)
