"""The worker's timer continues through every outage, without filling the log."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.core.cache import cache
from django.db import OperationalError
from structlog.testing import capture_logs

from ledger.redis_state import shared
from ledger.timer import TICK_KEY, TURN_KEY, Timer, Turn

TICK_SECONDS = 0.002
PATIENCE_SECONDS = 10.0


class Ticks:
    """What a timer calls: fails as `failures` say, one after the other, then succeeds; `is_over` after that."""

    def __init__(self, failures: list[Exception]) -> None:
        self._failures = failures
        self.is_over = threading.Event()
        self.count = 0

    def __call__(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.count += 1
        # What is logged after the first success is there when the second begins.
        if self.count > 1:
            self.is_over.set()


@contextmanager
def running(tick: Callable[[], None]) -> Iterator[None]:
    timer = Timer(tick)
    timer.start()
    yield
    timer.stop()
    timer._thread.join(PATIENCE_SECONDS)


def has(turn: Turn) -> bool:
    return turn.take() == 0


def forget_turn() -> None:
    shared.ask(lambda client: client.delete(TURN_KEY))


@pytest.fixture(autouse=True)
def _ticks_are_short(settings: Any) -> None:
    settings.TICK_TIME = timedelta(seconds=TICK_SECONDS)
    forget_turn()


@pytest.mark.parametrize("error", [redis.ConnectionError("refused"), OperationalError("gone")])
def test_an_outage_and_its_end_are_each_logged_once(error: Exception) -> None:
    ticks = Ticks([error] * 5)
    with capture_logs() as lines, running(ticks):
        assert ticks.is_over.wait(PATIENCE_SECONDS)
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("tick_failed", "warning"),
        ("tick_succeeds_again", "warning"),
    ]
    assert not any("exc_info" in line for line in lines)


def test_an_internal_fault_is_logged_with_its_trace_and_the_timer_continues() -> None:
    ticks = Ticks([ZeroDivisionError("ours")])
    with capture_logs() as lines, running(ticks):
        assert ticks.is_over.wait(PATIENCE_SECONDS)
    assert [(line["event"], line["log_level"]) for line in lines] == [("tick_failed", "error")]
    assert lines[0]["exc_info"]


def test_a_tick_is_noted_where_health_looks_for_it() -> None:
    cache.delete(TICK_KEY)
    ticks = Ticks([])
    with running(ticks):
        assert ticks.is_over.wait(PATIENCE_SECONDS)
    assert cache.get(TICK_KEY) is not None


@pytest.mark.django_db
def test_a_timer_without_the_turn_does_not_look() -> None:
    holder, own, ticks = Turn(), Turn(), Ticks([])
    timer = Timer(ticks)
    assert has(holder)
    timer._look(own)
    assert ticks.count == 0
    holder.end()
    timer._look(own)
    assert ticks.count == 1


def test_a_turn_is_one_timers_until_it_ends_or_is_not_renewed() -> None:
    first, second = Turn(), Turn()
    assert [has(first), has(second), has(first)] == [True, False, True]
    second.end()
    assert not has(second)
    first.end()
    assert [has(second), has(first)] == [True, False]
    # As it is after three ticks without a renewal.
    forget_turn()
    assert [has(first), has(second)] == [True, False]


def test_a_timer_sleeps_until_another_ones_turn_could_end_and_looks_then() -> None:
    assert has(Turn())
    timer = Timer(Ticks([]))
    timer._look(Turn())
    assert 0.5 < timer._pause <= 1.0
    ticks = Ticks([])
    with running(ticks):
        assert ticks.is_over.wait(PATIENCE_SECONDS)


def test_without_redis_every_timer_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_turn: Turn) -> float:
        raise redis.ConnectionError("refused")

    assert has(Turn())
    monkeypatch.setattr(Turn, "take", refuse)
    ticks = Ticks([])
    with running(ticks):
        assert ticks.is_over.wait(PATIENCE_SECONDS)
