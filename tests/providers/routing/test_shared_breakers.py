"""Circuit breakers that workers share through Redis."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis

from accounts.models import Project
from delivery.concurrency.circuit_breaker import BreakerPolicy, CircuitBreakers
from providers.models import Provider
from providers.routing import health
from providers.routing import shared_breakers as circuits_module
from providers.routing.health import describe_health
from providers.routing.redis_state import Shared
from providers.routing.shared_breakers import exchange, provider_key, read_state
from providers.services import resume_provider
from tests.provider_rows import settings_of


def use(monkeypatch: pytest.MonkeyPatch, circuits: CircuitBreakers) -> None:
    """Be the process that has these circuits."""
    monkeypatch.setattr(circuits_module, "GROUPS", {"provider": circuits})
    monkeypatch.setattr(circuits_module, "provider_breakers", circuits)
    monkeypatch.setattr(health, "provider_breakers", circuits)


def test_one_workers_failures_keep_the_others_from_failing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, key = CircuitBreakers(), CircuitBreakers(), provider_key(uuid4())
    for _ in range(3):
        one.note_failure(key, "refused")
    for circuits in (one, two):
        use(monkeypatch, circuits)
        exchange()
    found = two.find_open(key)
    assert found is not None
    assert found.reason == "refused"
    two.note_success(key)
    for circuits in (two, one):
        use(monkeypatch, circuits)
        exchange()
    assert one.may_try(key)


def test_without_redis_each_goes_by_what_it_knows_and_tells_later(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, key = (
        CircuitBreakers(BreakerPolicy(first_wait=timedelta(minutes=4))),
        CircuitBreakers(),
        provider_key(uuid4()),
    )
    for _ in range(3):
        one.note_failure(key, "refused")
    use(monkeypatch, one)
    with monkeypatch.context() as away:
        away.setattr(circuits_module.shared, "ask", lambda _: None)
        exchange()
    assert not one.may_try(key)
    exchange()
    use(monkeypatch, two)
    exchange()
    assert not two.may_try(key)


def test_a_redis_that_is_away_is_asked_once_in_a_while_and_never_raises() -> None:
    shared, asked = Shared(), []

    def fail(client: object) -> None:
        asked.append(client)
        raise redis.ConnectionError

    assert [shared.ask(fail) for _ in range(5)] == [None] * 5
    assert len(asked) == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"until": 1}', '{"until": 1, "reason": "x", "trip_count": 1}'])
def test_invalid_and_outdated_values_are_ignored(text: str) -> None:
    assert read_state(text) is None


def test_a_failing_providers_health_says_why_until_it_is_resumed(
    project: Project, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    circuits = CircuitBreakers()
    use(monkeypatch, circuits)
    provider = Provider.objects.create(
        project=project, name="relay", kind="smtp", settings=settings_of("smtp://relay.test")
    )
    for _ in range(3):
        circuits.note_failure(provider_key(provider.pk), "connection refused")
    found = describe_health(provider)
    assert (found.status, found.reason) == ("failing", "connection refused")
    with django_capture_on_commit_callbacks(execute=True):
        resume_provider(provider.pk)
    assert describe_health(provider).status == "ok"
