from datetime import timedelta
from random import Random

import pytest

from delivery.retry import next_wait

WAITS = [timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 240, 480)]


class Middle(Random):
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@pytest.mark.parametrize(("attempt_number", "minutes"), [(1, 1), (2, 5), (4, 30), (8, 480), (9, 480), (1000, 480)])
def test_each_attempt_has_its_wait_and_the_last_one_repeats(attempt_number, minutes):
    assert next_wait(attempt_number, WAITS, Middle()) == timedelta(minutes=minutes)


def test_the_wait_is_spread_by_a_fifth_to_both_sides():
    rng = Random(7)
    waits = [next_wait(2, WAITS, rng).total_seconds() for _ in range(500)]
    assert 240 <= min(waits) < 250
    assert 350 < max(waits) <= 360


def test_one_wait_serves_all_attempts():
    assert next_wait(3, [timedelta(seconds=10)], Middle()) == timedelta(seconds=10)


def test_attempt_zero_is_refused():
    with pytest.raises(ValueError, match="from 1"):
        next_wait(0, WAITS, Random(1))
