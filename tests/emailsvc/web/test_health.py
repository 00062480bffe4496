"""Health checks of load balancers and containers."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client

from emailsvc.web import health
from providers.models import Provider
from providers.services import rest_provider
from tests.provider_rows import settings_of


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.CHECKS, "provider", lambda: health.HealthCheck(status="ok", detail="present"))


def test_the_tests_run_on_postgresql() -> None:
    assert connection.vendor == "postgresql"


def test_healthz_answers_without_a_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_provider_that_refuses_us_is_told_in_full_and_stays_ready(client: Client) -> None:
    cache.set(health.TICK_KEY, time.time())
    shared = Provider.objects.create(name="default", kind="smtp", settings=settings_of("smtp://relay.test"))
    assert client.get("/healthz?full").json()["checks"]["refusals"] == {"status": "ok", "detail": "none is paused"}
    rest_provider(shared.pk, reason="535 5.7.8 no, hush")
    answer = client.get("/healthz?full")
    told = answer.json()["checks"]["refusals"]
    assert (answer.status_code, answer.json()["status"], told["status"]) == (200, "warning", "warning")
    assert "1 paused" in told["detail"]
    assert "hush" not in answer.content.decode()
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("provider")
def test_readyz_names_each_check(client: Client) -> None:
    cache.set(health.TICK_KEY, time.time())
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert {name: check["status"] for name, check in answer.json()["checks"].items()} == dict.fromkeys(
        health.CHECKS, "ok"
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(("given", "named"), [("", None), ("5ca1ab1e", "5ca1ab1e")])
def test_readyz_repeats_the_word_of_who_started_it(
    client: Client, settings: Any, given: str, named: str | None
) -> None:
    settings.SERVICE_RUN_ID = given
    assert client.get("/readyz").json()["run_id"] == named


@pytest.mark.django_db
@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(("age", "detail"), [(None, "no worker has been seen"), (31.0, "no worker seen for 31 s")])
def test_absent_workers_are_a_warning_and_no_failure(client: Client, age: float | None, detail: str) -> None:
    # The clock stands still: a busy machine would make it another second.
    with time_machine.travel(datetime.now(UTC), tick=False):
        cache.delete(health.TICK_KEY) if age is None else cache.set(health.TICK_KEY, time.time() - age)
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["workers"]) == (200, {"status": "warning", "detail": detail})


@pytest.mark.django_db
def test_without_redis_and_a_shared_provider_a_web_server_is_ready(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["checks"]["redis"] == {"status": "failed", "detail": "does not answer"}
    assert answer.json()["checks"]["provider"]["status"] == "warning"


@pytest.mark.django_db
def test_without_the_database_it_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> health.HealthCheck:
        raise OperationalError

    monkeypatch.setitem(health.CHECKS, "database", fail)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "not_ready")
    assert answer.json()["checks"]["database"] == {"status": "failed", "detail": "does not answer"}


@pytest.mark.django_db
@pytest.mark.usefixtures("provider")
def test_missing_migrations_are_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.CHECKS, "migrations", health.MigrationsCheck())
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == {"status": "failed", "detail": "1 not applied"}


def test_health_answers_only_to_reading(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
