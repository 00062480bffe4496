"""Pages that need no login, cookie or other host; the documentation's pages are in its own package."""

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
# Swagger UI writes styles into its elements, and uses data: icons.
SWAGGER_POLICY = _COMMON + "style-src 'self' 'unsafe-inline'; img-src 'self' data:"
# The pages that fetch the OpenAPI document.
SCHEMA_URL = "/api/schema"


@require_safe
def show_landing(request: HttpRequest) -> HttpResponse:
    """The landing page: links to everything, and a first email."""
    return page_response(request, "emailsvc/landing.html", PAGE_POLICY)


def page_response(request: HttpRequest, template: str, policy: str, **context: Any) -> HttpResponse:
    """Render a page with its Content-Security-Policy."""
    # The inbox answers only its own machine, so other clients get no link to it.
    common = {"public_url": settings.PUBLIC_URL, "has_inbox": is_local(request), "schema_url": SCHEMA_URL}
    response = render(request, template, {**common, **context})
    response["Content-Security-Policy"] = policy
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    return response
