"""Amounts are taken from all limits or from none, exactly, in Redis and without it."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from accounts.metering import counters
from accounts.metering.counters import OwnCounters, Taken, give_back, take
from accounts.metering.limits import Limit, Period
from ledger import redis_state

Take = Callable[..., Taken]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(counters, "own", OwnCounters(clock))
    return clock


@pytest.fixture(params=["Redis", "this process"])
def _place(request: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both count alike."""
    if request.param != "Redis":
        monkeypatch.setattr(counters.shared, "ask", lambda _: None)
        return
    # A busy machine may answer later than a request would wait.
    monkeypatch.setattr(redis_state, "TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(counters, "shared", redis_state.Shared())


def build(period: Period, most: int | None, amount: int, name: str = "") -> Limit:
    return Limit(
        key=f"test:{name or uuid4()}",
        noun="messages",
        period=period,
        most=most,
        amount=amount,
        owner_id=uuid4(),
        is_of_key=True,
    )


def of(limit: Limit, amount: int) -> Limit:
    return replace(limit, amount=amount)


def from_zero(limits: Sequence[Limit]) -> Mapping[str, int]:
    return {limit.key: 0 for limit in limits}


@pytest.mark.usefixtures("_place")
class TestBothPlaces:
    def test_a_day_has_its_amount_and_no_more(self) -> None:
        day = build(Period.DAY, 3, 1)
        results = [take([day], from_zero) for _ in range(5)]
        assert [taken.refused is None for taken in results] == [True, True, True, False, False]
        assert [taken.remaining for taken in results] == [[2.0], [1.0], [0.0], [0.0], [0.0]]

    def test_a_batch_above_the_rest_of_a_day_takes_nothing(self) -> None:
        day = build(Period.DAY, 10, 8)
        assert take([day], from_zero).refused is None
        assert take([of(day, 3)], from_zero).refused is not None
        assert take([of(day, 2)], from_zero).refused is None

    def test_a_refusal_by_one_limit_leaves_the_others_as_they_were(self) -> None:
        second, day, month = build(Period.SECOND, 100, 5), build(Period.DAY, 50, 5), build(Period.MONTH, 4, 5)
        taken = take([second, day, month], from_zero)
        assert taken.refused == month
        assert taken.remaining == [100.0, 50.0, 4.0]

    def test_a_batch_above_a_seconds_worth_is_taken_once_and_leaves_a_debt(self) -> None:
        bucket = build(Period.SECOND, 2, 100)
        taken = take([bucket], from_zero)
        assert taken.refused is None
        assert taken.remaining[0] == pytest.approx(-98, abs=1)
        again = take([of(bucket, 1)], from_zero)
        assert again.refused is not None
        assert again.refused.retry_seconds(again.remaining[0] or 0.0, datetime.now(UTC)) in range(45, 51)

    def test_the_last_of_several_refuses_as_it_lasts_longest(self) -> None:
        bucket, day = build(Period.SECOND, 2, 2), build(Period.DAY, 2, 2)
        assert take([bucket, day], from_zero).refused is None
        assert take([bucket, day], from_zero).refused == day

    def test_what_is_given_back_can_be_taken_again(self) -> None:
        bucket, day = build(Period.SECOND, 2, 100), build(Period.DAY, 100, 100)
        assert take([bucket, day], from_zero).refused is None
        give_back([bucket, day])
        assert take([bucket, day], from_zero).refused is None
        assert take([of(bucket, 1), of(day, 0)], from_zero).refused is not None

    def test_an_amount_of_zero_is_never_refused(self) -> None:
        bucket, day = build(Period.SECOND, 1, 50), build(Period.DAY, 50, 50)
        take([bucket, day], from_zero)
        taken = take([of(bucket, 0), of(day, 0)], from_zero)
        assert taken.refused is None
        assert taken.remaining[1] == 0.0

    def test_a_counter_starts_from_what_is_known(self) -> None:
        asked: list[Limit] = []

        def load(limits: Sequence[Limit]) -> Mapping[str, int]:
            asked.extend(limits)
            return {limit.key: 7 for limit in limits}

        day = build(Period.DAY, 10, 1)
        assert [take([day], load).remaining for _ in range(2)] == [[2.0], [1.0]]
        assert asked == [day]

    def test_a_counter_without_a_limit_only_counts(self) -> None:
        day = build(Period.DAY, None, 5)
        assert take([day], from_zero) == Taken(refused=None, remaining=[None])

    def test_twenty_clients_at_once_get_exactly_the_amount(self) -> None:
        day = build(Period.DAY, 137, 1)
        with ThreadPoolExecutor(20) as pool:
            results = list(pool.map(lambda _: take([day], from_zero), range(400)))
        assert sum(taken.refused is None for taken in results) == 137


def test_a_bucket_fills_in_a_second(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters.shared, "ask", lambda _: None)
    bucket = build(Period.SECOND, 10, 1)
    assert sum(take([bucket], from_zero).refused is None for _ in range(30)) == 10
    clock.now += 0.5
    assert sum(take([bucket], from_zero).refused is None for _ in range(30)) == 5
    clock.now += 60
    assert sum(take([bucket], from_zero).refused is None for _ in range(30)) == 10


def test_a_larger_batch_waits_for_a_full_bucket(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters.shared, "ask", lambda _: None)
    bucket = build(Period.SECOND, 10, 30)
    assert take([of(bucket, 1)], from_zero).refused is None
    assert take([bucket], from_zero).refused is not None
    clock.now += 0.2
    assert take([bucket], from_zero).refused is None
    clock.now += 1.9
    assert take([of(bucket, 1)], from_zero).refused is not None
    clock.now += 0.3
    assert take([of(bucket, 1)], from_zero).refused is None


def test_when_redis_goes_a_process_counts_on_from_what_it_saw(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    day = build(Period.DAY, 10, 4)
    take([day], from_zero)
    monkeypatch.setattr(counters.shared, "ask", lambda _: None)
    assert take([day], from_zero).remaining == [2.0]
    assert take([day], from_zero).refused is not None
