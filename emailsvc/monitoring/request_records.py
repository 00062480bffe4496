"""What is kept of each request: its time, by route. Path, query, headers and bodies are not."""

import time
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase

from common.problems import PROBLEM_CODE
from ledger.telemetry.families import LIMITS_HIT, REQUEST_SECONDS
from ledger.telemetry.instruments import OTHER

GetResponse = Callable[[HttpRequest], HttpResponseBase]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# The pages of the admin are some hundreds of routes.
ADMIN = "/admin/"
NO_ROUTE = "none"


class RequestRecordMiddleware:
    """Records each request when it has its answer. One whose body is still to be read comes again with it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun_at = time.perf_counter()
        response = self.get_response(request)
        record_request(request, response, time.perf_counter() - begun_at)
        return response


def record_request(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    method = request.method if request.method in METHODS else OTHER
    match, status = request.resolver_match, response.status_code
    route = name_route(match.route) if match else NO_ROUTE
    REQUEST_SECONDS.observe(seconds, method, route, str(status))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        LIMITS_HIT.add(request.META.get(PROBLEM_CODE, OTHER))


@lru_cache(maxsize=2000)
def name_route(pattern: str) -> str:
    """A route as people read it: `/api/v1/emails/<id:pk>`."""
    route = f"/{pattern.strip('^$')}"
    return ADMIN if route.startswith(ADMIN) else route
