"""Liveness and readiness checks for load balancers, containers and people.

The checks are public, so they name the failing part, but show neither its error nor its address.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import redis
import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from delivery.broker_tls import redis_tls
from emailsvc.migration_files import list_waiting
from gateways.smtp.probe import find_obstacle
from messages.search.index import MEND, find_search_obstacle
from providers.services import count_resting, has_shared_provider
from tracking.suppressions.wave_decisions import count_open

log = structlog.get_logger(__name__)

TICK_KEY = "ledger:tick"
TICK_SECONDS = 30.0
# A stopped Redis must not delay the response longer than this.
REDIS_OPTIONS = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0, "retry": Retry(NoBackoff(), 0)}


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """`failed` makes the service not ready; `warning` is for operators."""

    status: Literal["ok", "warning", "failed"]
    detail: str

    def describe(self) -> dict[str, str]:
        return {"status": self.status, "detail": self.detail}


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the process can answer; it uses neither database nor Redis.

    With `?full` the body also has every check of the installation, and `status` is the worst of them; still 200.
    """
    if "full" not in request.GET:
        return JsonResponse({"status": "ok"})
    checks = {name: run_check(name, check) for name, check in FULL_CHECKS.items()}
    worst = max((check.status for check in checks.values()), key=WORST.index)
    return JsonResponse({"status": worst, "checks": {name: check.describe() for name, check in checks.items()}})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 if this web server can do its work, otherwise 503; each check has an entry with its reason.

    It needs the database alone: without Redis, workers or a shared provider it accepts mail, which goes out later. The
    other checks are in the answer, and what they tell needs a person.
    `run_id` is the SERVICE_RUN_ID of the process, null without one.
    """
    checks = {name: run_check(name, check) for name, check in CHECKS.items()}
    is_ready = all(checks[name].status != "failed" for name in NEEDED)
    body = {
        "status": "ready" if is_ready else "not_ready",
        "run_id": settings.SERVICE_RUN_ID or None,
        "checks": {name: check.describe() for name, check in checks.items()},
    }
    return JsonResponse(body, status=200 if is_ready else 503)


def run_check(name: str, check: Callable[[], HealthCheck]) -> HealthCheck:
    try:
        return check()
    except (DatabaseError, redis.RedisError, OSError) as error:
        log.warning("readiness_check_failed", check=name, error=type(error).__name__)
        return HealthCheck(status="failed", detail="does not answer")


def check_database() -> HealthCheck:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HealthCheck(status="ok", detail="answers")


class MigrationsCheck:
    """Checks the database until all migrations are applied, and then no more: migrations are never reverted."""

    def __init__(self) -> None:
        self._is_done = False

    def __call__(self) -> HealthCheck:
        if not self._is_done:
            if waiting := list_waiting():
                return HealthCheck(status="failed", detail=f"{len(waiting)} not applied")
            self._is_done = True
        return HealthCheck(status="ok", detail="applied")


def check_redis() -> HealthCheck:
    with redis.Redis.from_url(settings.REDIS_URL, **REDIS_OPTIONS, **redis_tls(settings.REDIS_URL)) as client:
        client.ping()
    return HealthCheck(status="ok", detail="answers")


def check_provider() -> HealthCheck:
    if has_shared_provider():
        return HealthCheck(status="ok", detail="present")
    return HealthCheck(status="warning", detail="no shared provider: projects without one of their own send nothing")


def check_workers() -> HealthCheck:
    """Mail is accepted and stored without workers, so their absence is a warning."""
    check_redis()
    ticked_at = cache.get(TICK_KEY)
    if ticked_at is None:
        return HealthCheck(status="warning", detail="no worker has been seen")
    age = time.time() - float(ticked_at)
    if age > TICK_SECONDS:
        return HealthCheck(status="warning", detail=f"no worker seen for {age:.0f} s")
    return HealthCheck(status="ok", detail=f"seen {max(age, 0.0):.1f} s ago")


def check_refusals() -> HealthCheck:
    """Providers that refuse the service are paused; the mail of others goes on, so the service stays ready."""
    paused, resting = count_resting()
    if resting:
        return HealthCheck(status="warning", detail=f"{resting} paused after they refused the service: see the notices")
    return HealthCheck(status="ok", detail=f"{paused} paused by a person" if paused else "none is paused")


CHECKS: dict[str, Callable[[], HealthCheck]] = {
    "database": check_database,
    "migrations": MigrationsCheck(),
    "redis": check_redis,
    "provider": check_provider,
    "workers": check_workers,
}
# What a web server cannot do without.
NEEDED = ("database", "migrations")


def check_waves() -> HealthCheck:
    """Suppressions that are held back wait for a person."""
    if count := count_open():
        return HealthCheck(status="warning", detail=f"{count} held back: see held_suppressions")
    return HealthCheck(status="ok", detail="none is held back")


def check_submission() -> HealthCheck:
    """The API takes mail without it."""
    if not settings.SUBMISSION_ADDRESS:
        return HealthCheck(status="ok", detail="not used: SUBMISSION_ADDRESS is empty")
    if obstacle := find_obstacle(settings.SUBMISSION_ADDRESS):
        return HealthCheck(status="warning", detail=obstacle)
    return HealthCheck(status="ok", detail="answers")


def check_search() -> HealthCheck:
    """Searches work without the index, slower."""
    if obstacle := find_search_obstacle():
        return HealthCheck(status="warning", detail=f"{obstacle}: {MEND}")
    return HealthCheck(status="ok", detail="has its index")


# What needs a person and does not stop the service.
FULL_CHECKS: dict[str, Callable[[], HealthCheck]] = {
    **CHECKS,
    "refusals": check_refusals,
    "suppressions": check_waves,
    "submission": check_submission,
    "search": check_search,
}
WORST = ("ok", "warning", "failed")
