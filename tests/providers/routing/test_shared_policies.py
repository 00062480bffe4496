"""MTA-STS policies that workers share."""

from collections.abc import Iterator

import pytest
import redis

from providers.routing.redis_state import Shared, SharedPolicies, shared


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    shared.ask(lambda client: client.delete("mta-sts:x.test"))


def test_workers_share_fetched_policies() -> None:
    SharedPolicies().put("x.test", "policy", 60)
    assert SharedPolicies().get("x.test") == "policy"
    assert SharedPolicies().get("y.test") is None


def test_it_is_kept_for_as_long_as_it_holds() -> None:
    SharedPolicies().put("x.test", "policy", 86_400)
    assert 86_000 < (shared.ask(lambda client: client.ttl("mta-sts:x.test")) or 0) <= 86_400
    SharedPolicies().put("x.test", "run out", -1)
    assert (shared.ask(lambda client: client.ttl("mta-sts:x.test")) or 0) <= 1


def test_without_redis_there_is_no_memory_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Shared()
    # As the product makes it: a client that is made otherwise tries again for seconds.
    monkeypatch.setattr(away, "_redis", redis.Redis.from_url("redis://127.0.0.1:1"))
    monkeypatch.setattr("providers.routing.redis_state.shared", away)
    SharedPolicies().put("x.test", "policy", 60)
    assert SharedPolicies().get("x.test") is None
