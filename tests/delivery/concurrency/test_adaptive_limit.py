"""The adaptive limit of concurrent conversations per host."""

from datetime import timedelta

from delivery.concurrency.adaptive_limit import AdaptiveConcurrency


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_doubles_with_each_round_until_the_first_trouble() -> None:
    pace = AdaptiveConcurrency(2, 20)
    for expected in (4, 8, 16, 20, 20):
        for _ in range(pace.limit):
            pace.note_success()
        assert pace.limit == expected


def test_trouble_halves_it_and_then_it_grows_slowly() -> None:
    clock = Clock()
    pace = AdaptiveConcurrency(16, 20, clock)
    pace.note_trouble()
    assert pace.limit == 8
    for _ in range(8):
        pace.note_success()
    assert pace.limit in {8, 9}
    for _ in range(400):
        pace.note_success()
    assert pace.limit == 20


def test_trouble_of_many_conversations_at_once_is_one_trouble() -> None:
    clock = Clock()
    pace = AdaptiveConcurrency(16, 20, clock)
    for _ in range(16):
        pace.note_trouble()
    assert pace.limit == 8
    clock.now = 2
    pace.note_trouble()
    assert pace.limit == 4


def test_trouble_at_the_lowest_pace_is_followed_by_longer_and_longer_rests() -> None:
    clock = Clock()
    pace = AdaptiveConcurrency(1, 20, clock)
    rests = []
    for _ in range(10):
        pace.note_trouble()
        rests.append(pace.rest_seconds)
        clock.now += pace.rest_seconds + 1
        assert pace.rest_seconds == 0
    assert rests == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    pace.note_success()
    pace.note_trouble()
    assert (pace.limit, pace.rest_seconds) == (1, 0)
    clock.now += 2
    pace.note_trouble()
    assert (pace.limit, pace.rest_seconds) == (1, 2)


def test_a_rest_that_was_asked_for_is_kept_and_bounded() -> None:
    clock = Clock()
    pace = AdaptiveConcurrency(20, 20, clock)
    pace.note_trouble(timedelta(seconds=30))
    assert (pace.limit, pace.rest_seconds) == (10, 30)
    pace.note_trouble(timedelta(days=3))
    assert pace.rest_seconds == 300
