"""What is kept of each request: its time by route; of requests of APIs also a line of the log and a row of the project.

Path, query, headers and bodies are not among it, and an id that the caller gave is left out if it could be an address.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from accounts.authentication import CALLER_KEY
from accounts.models import ApiKey
from accounts.requests.recording import note_request
from common.client_ip import client_ip
from common.ids import new_id
from common.middleware import hide_address
from common.problems import PROBLEM_CODE, REQUEST_ID, wants_problems
from ledger.telemetry.families import LIMITS_HIT, REQUEST_SECONDS
from ledger.telemetry.instruments import OTHER
from ledger.telemetry.lines import log_line
from ledger.telemetry.spans import begin_request, end_request
from messages.api.accepting_views import EMAIL_IDS

GetResponse = Callable[[HttpRequest], HttpResponseBase]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
EMAIL_ROUTES = "/api/v1/emails/<id"
# Those of the admin are pages of people, some hundreds of routes.
ADMIN = "/admin/"
NO_ROUTE = "none"
MOST_TRACED_IDS = 100


class RequestRecordMiddleware:
    """Records each request when it has its answer. One whose body is still to be read comes again with it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.IS_TRACED:
            begin_request(request.META.get("HTTP_TRACEPARENT", ""))
        begun_at = time.perf_counter()
        response = self.get_response(request)
        record_request(request, response, time.perf_counter() - begun_at)
        return response


def record_request(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    method = request.method if request.method in METHODS else OTHER
    match, status = request.resolver_match, response.status_code
    route = name_route(match.route) if match else NO_ROUTE
    REQUEST_SECONDS.observe(seconds, method, route, str(status))
    if not wants_problems(request):
        return
    meta = request.META
    code = meta.get(PROBLEM_CODE, "")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        LIMITS_HIT.add(code or OTHER)
    facts: dict[str, Any] = {
        "method": method,
        "route": route,
        "status": status,
        "duration_ms": round(seconds * 1000, 2),
        "code": code,
        "request_id": hide_address(meta.get(REQUEST_ID, "")),
        "email_ids": find_emails(request, route),
    }
    key: ApiKey | None = meta.get(CALLER_KEY)
    if key is not None and key.project_id is not None:
        facts |= {"project_id": str(key.project_id), "key_prefix": key.prefix}
        if settings.REQUEST_KEEP_TIME:
            origin = str(client_ip(meta) or "")
            note_request({**facts, "id": str(new_id()), "at": find_now(), "is_test": key.is_test, "origin": origin})
    log_line("request", **facts)
    if settings.IS_TRACED:
        trace_request(facts, seconds)


def trace_request(facts: Mapping[str, Any], seconds: float) -> None:
    method, route, status = facts["method"], facts["route"], facts["status"]
    kept = {name: facts[name] for name in ("request_id", "project_id", "code") if facts.get(name)}
    end_request(
        f"{method} {route}",
        seconds,
        has_failed=status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        **kept,
        email_ids=list(facts["email_ids"])[:MOST_TRACED_IDS],
        **{"http.request.method": method, "http.route": route, "http.response.status_code": status},
    )


def find_now() -> str:
    return datetime.now(UTC).isoformat()


@lru_cache(maxsize=2000)
def name_route(pattern: str) -> str:
    """A route as people read it: `/api/v1/emails/<id:pk>`."""
    route = f"/{pattern.strip('^$')}"
    return ADMIN if route.startswith(ADMIN) else route


def find_emails(request: HttpRequest, route: str) -> Sequence[str]:
    """The ids of the emails that the request made or was about."""
    made: Sequence[str] | None = request.META.get(EMAIL_IDS)
    if made is not None:
        return made
    is_about_one = route.startswith(EMAIL_ROUTES) and request.resolver_match is not None
    return [str(request.resolver_match.kwargs["pk"])] if is_about_one and request.resolver_match else []
