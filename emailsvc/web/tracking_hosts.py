"""The tracking hosts of sending domains (`link.example.com`, a CNAME to us) beside our own names.

Django refuses foreign names by ALLOWED_HOSTS. A verified tracking host is admitted for the paths in mails and
nothing else: no API, no admin, no login on a customer's name.
"""

import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponseBase
from django.http.request import split_domain_port, validate_host

from domains.published_records import list_tracking_hosts
from tracking.engagement.urls import PREFIXES

FRESH_SECONDS = 15.0
# A flood of requests under made-up names asks the database no more often than this.
NEWS_SECONDS = 1.0

log = structlog.get_logger(__name__)


class TrackingHostMiddleware:
    """Lets a request to a tracking path on a verified tracking host pass as one to our own name.

    Every other request under a foreign name is refused by Django's check of names, here already: files are served
    before any view would ask for the name. That costs no query; tracking paths alone may ask the database.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._hosts: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        host, _ = split_domain_port(request.META.get("HTTP_HOST", ""))
        if (
            request.path.startswith(PREFIXES)
            and not validate_host(host, settings.ALLOWED_HOSTS)
            and self._is_tracking_host(host)
        ):
            request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0]
        request.get_host()
        return self.get_response(request)

    def _is_tracking_host(self, host: str) -> bool:
        """By a list that is read anew when it is old, and sooner for a name that may have come on it since."""
        age = time.monotonic() - self._read_at
        if age > FRESH_SECONDS or (age > NEWS_SECONDS and host not in self._hosts):
            try:
                self._hosts = frozenset(list_tracking_hosts())
            except Error as error:
                # What was true a moment ago is the best guess; the pixel must show while the database is away.
                log.warning("tracking_hosts_not_read", error=type(error).__name__)
            self._read_at = time.monotonic()
        return host in self._hosts
