"""Pages that need neither a login nor a cookie nor another host; the documentation's are in its package."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from inbox.guard import is_local

_COMMON = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; "
)
PAGE_POLICY = _COMMON + "style-src 'self'; img-src 'self'"
# Swagger UI writes styles into its elements, and has its icons as data.
SWAGGER_POLICY = _COMMON + "style-src 'self' 'unsafe-inline'; img-src 'self' data:"
# Where the OpenAPI document is.
SCHEMA_URL = "/api/schema"


@require_safe
def show_landing(request: HttpRequest) -> HttpResponse:
    """Where everything is, and how to send the first email."""
    return page_response(request, "emailsvc/landing.html", PAGE_POLICY)


def page_response(request: HttpRequest, template: str, policy: str, **context: Any) -> HttpResponse:
    """A page under its policy."""
    # The inbox answers only its own machine: elsewhere it is not offered.
    common = {"public_url": settings.PUBLIC_URL, "has_inbox": is_local(request), "schema_url": SCHEMA_URL}
    response = render(request, template, {**common, **context})
    response["Content-Security-Policy"] = policy
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    return response
