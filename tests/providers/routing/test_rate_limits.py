"""Rate and connection limits shared by all workers."""

from uuid import uuid4

import pytest

from providers.routing import rate_limits
from providers.routing.rate_limits import Rates, Shares


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def _without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits.shared, "ask", lambda _: None)


def test_workers_take_from_one_bucket() -> None:
    one, two, provider = Rates(), Rates(), uuid4()
    assert [one.take(provider, 5, 3), two.take(provider, 5, 3), one.take(provider, 5, 3)] == [3, 2, 0]


def test_a_slow_rate_lets_one_through_at_a_time() -> None:
    rates, provider = Rates(), uuid4()
    assert [rates.take(provider, 0.01, 5), rates.take(provider, 0.01, 5)] == [1, 0]


@pytest.mark.usefixtures("_without_redis")
def test_without_redis_each_worker_has_a_bucket_of_its_own() -> None:
    clock = Clock()
    rates, provider = Rates(clock), uuid4()
    assert [rates.take(provider, 5, 10), rates.take(provider, 5, 10)] == [5, 0]
    clock.now = 0.4
    assert rates.take(provider, 5, 10) == 2
    clock.now = 60
    assert rates.take(provider, 5, 10) == 5


def test_connections_are_shared_out_and_never_too_many() -> None:
    clock, provider = Clock(), uuid4()
    workers = [Shares(clock) for _ in range(3)]
    for _ in range(8):
        shares = [worker.hold(provider, 10, 20) for worker in workers]
        assert sum(shares) <= 10
        clock.now += 1.1
    # Who had nothing at first has something now.
    assert min(shares) >= 1
    assert sum(shares) >= 8


def test_the_last_connection_is_not_given_back() -> None:
    clock, provider = Clock(), uuid4()
    one, two = Shares(clock), Shares(clock)
    for _ in range(5):
        assert (one.hold(provider, 1, 20), two.hold(provider, 1, 20)) == (1, 0)
        clock.now += 1.1


def test_what_is_held_is_known_without_asking() -> None:
    shares, provider = Shares(), uuid4()
    assert shares.share_of(provider) == 0
    shares.hold(provider, 10, 4)
    assert shares.share_of(provider) == 4


@pytest.mark.usefixtures("_without_redis")
def test_without_redis_each_worker_takes_its_usual_part() -> None:
    assert Shares().hold(uuid4(), 10, 20) == 3
    assert Shares().hold(uuid4(), 1, 20) == 1
