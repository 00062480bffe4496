"""The tracking hosts of sending domains (`link.example.com`, a CNAME to us) in addition to our own names.

Django rejects unknown hosts by ALLOWED_HOSTS. A verified tracking host is accepted only for the paths used in mail:
no API, no admin and no login under a customer's name.
"""

import time
from collections.abc import Callable
from functools import lru_cache

import structlog
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponseBase
from django.http.request import split_domain_port, validate_host

from domains.published_records import list_tracking_hosts
from tracking.engagement.urls import PREFIXES, PROBE_PREFIX

FRESH_SECONDS = 15.0
# A flood of requests with invented names queries the database no more often than this.
NEWS_SECONDS = 1.0

log = structlog.get_logger(__name__)


@lru_cache(maxsize=100)
def is_own_host(given: str, allowed: tuple[str, ...]) -> bool:
    """Whether a host as requests name it passes Django's check as one of our own names."""
    host, _ = split_domain_port(given)
    return bool(host) and validate_host(host, allowed)


class TrackingHostMiddleware:
    """Treats a request for a tracking path on a verified tracking host as one for our own name.

    Every other request for an unknown host fails Django's host check here, because static files are served before any
    view would run it. This costs no query; only tracking paths may query the database.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._hosts: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_HOST", "")
        if not is_own_host(given, tuple(settings.ALLOWED_HOSTS)):
            host, _ = split_domain_port(given)
            if request.path.startswith(PREFIXES) and (
                request.path.startswith(PROBE_PREFIX) or self._is_tracking_host(host)
            ):
                request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0]
            request.get_host()
        return self.get_response(request)

    def _is_tracking_host(self, host: str) -> bool:
        """Checks a cached list that is reloaded when it is old, and sooner for a name that may have been added."""
        age = time.monotonic() - self._read_at
        if age > FRESH_SECONDS or (age > NEWS_SECONDS and host not in self._hosts):
            try:
                self._hosts = frozenset(list_tracking_hosts())
            except Error as error:
                # The last known list is the best guess: the pixel must load while the database is away.
                log.warning("tracking_hosts_not_read", error=type(error).__name__)
            self._read_at = time.monotonic()
        return host in self._hosts
