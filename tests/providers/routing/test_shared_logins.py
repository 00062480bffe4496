"""Turns of workers to try a provider's credentials."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis

from providers.routing.redis_state import Shared, SharedLogins, shared


@pytest.fixture
def key() -> Iterator[str]:
    found = str(uuid4())
    yield found
    shared.ask(lambda client: client.delete(f"login:{found}"))


def test_one_worker_tries_at_a_time(key: str) -> None:
    assert SharedLogins(key).take(60) is None
    assert SharedLogins(key).take(60) == ""
    SharedLogins(key).give_back()
    assert SharedLogins(key).take(60) is None


def test_a_rejection_holds_for_all_workers_and_for_its_time(key: str) -> None:
    SharedLogins(key).take(60)
    SharedLogins(key).keep_rejection("no such user", 60)
    assert SharedLogins(key).take(60) == "no such user"
    assert SharedLogins(f"{key}-changed").take(0.001) is None
    SharedLogins(key).keep_rejection("no such user", -1)
    # A millisecond is left, none, or the key is gone.
    assert shared.ask(lambda client: client.pttl(f"login:{key}")) in {1, 0, -2}


def test_without_redis_each_worker_tries_by_itself(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Shared()
    monkeypatch.setattr(away, "_redis", redis.Redis(host="127.0.0.1", port=1))
    monkeypatch.setattr("providers.routing.redis_state.shared", away)
    assert SharedLogins(key).take(60) is None
    assert SharedLogins(key).take(60) is None
