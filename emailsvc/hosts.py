"""The tracking hosts of sending domains (`link.example.com`, a CNAME to us) beside our own names.

Django refuses foreign names by ALLOWED_HOSTS. A verified tracking host is admitted for the paths in mails and
nothing else: no API, no admin, no login on a customer's name.
"""

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.http.request import split_domain_port

from domains.publishing import list_tracking_hosts
from tracking.public_urls import PREFIXES

FRESH_SECONDS = 15.0


class TrackingHostMiddleware:
    """Lets a request to a tracking path on a verified tracking host pass as one to our own name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._hosts: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(PREFIXES):
            host, _ = split_domain_port(request.META.get("HTTP_HOST", ""))
            if host not in settings.ALLOWED_HOSTS and host in self._current():
                request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0]
        return self.get_response(request)

    def _current(self) -> frozenset[str]:
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            self._hosts, self._read_at = frozenset(list_tracking_hosts()), time.monotonic()
        return self._hosts
