"""`/metrics` for Prometheus: on the web port with a token, or on a port of its own.

It stands before all other middleware: Prometheus asks a container by its address, which is no name of the service.
"""

import hmac
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from emailsvc.monitoring.exposition import CONTENT_TYPE, write_exposition
from emailsvc.monitoring.gauges import REDIS_UP, gauges
from ledger.telemetry.gathering import gatherer
from ledger.telemetry.instruments import Amounts
from ledger.telemetry.totals import read_totals

PATH = "/metrics"
GetResponse = Callable[[HttpRequest], HttpResponseBase]
# The last totals that this process has read: while Redis is away the counters stand still.
_last_totals: Amounts = {}


class MetricsMiddleware:
    """Serves `/metrics`, and nothing else on METRICS_PORT. Unused without METRICS_TOKEN and METRICS_PORT."""

    def __init__(self, get_response: GetResponse) -> None:
        if not (settings.METRICS_TOKEN or settings.METRICS_PORT):
            raise MiddlewareNotUsed
        self.get_response = get_response
        self._port = str(settings.METRICS_PORT or "")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_own_port = request.META.get("SERVER_PORT") == self._port
        if request.path_info == PATH and (is_own_port or settings.METRICS_TOKEN):
            return show_metrics(request, is_open=is_own_port)
        return HttpResponse(status=HTTPStatus.NOT_FOUND) if is_own_port else self.get_response(request)


def show_metrics(request: HttpRequest, *, is_open: bool) -> HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
    if not (is_open or has_token(request)):
        return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(write_metrics(), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    # Bytes: a header may hold characters outside of ASCII, which `compare_digest` refuses in texts.
    return scheme.lower() == "bearer" and hmac.compare_digest(
        token.strip().encode("utf-8", "surrogateescape"), settings.METRICS_TOKEN.encode()
    )


def write_metrics() -> str:
    """The whole page."""
    global _last_totals
    gatherer.write()
    totals = read_totals()
    if totals is not None:
        _last_totals = totals
    return write_exposition(_last_totals, {**gauges.read(), REDIS_UP.name: {(): float(totals is not None)}})
