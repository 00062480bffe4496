"""The landing page, and the API's reference as a page. Neither needs a login, a cookie or another host."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from inbox.guard import is_local

_COMMON = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
)
LANDING_POLICY = _COMMON + "style-src 'self'; img-src 'self'"
# Swagger UI writes styles into its elements, and has its icons as data.
DOCS_POLICY = _COMMON + "style-src 'self' 'unsafe-inline'; img-src 'self' data:"
# Where the OpenAPI document is.
SCHEMA_URL = "/api/schema"


@require_safe
def show_landing(request: HttpRequest) -> HttpResponse:
    """Where everything is, and how to send the first email."""
    return answer_page(request, "emailsvc/landing.html", LANDING_POLICY)


@require_safe
def show_docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI, from this server alone."""
    return answer_page(request, "emailsvc/docs.html", DOCS_POLICY)


def answer_page(request: HttpRequest, template: str, policy: str) -> HttpResponse:
    # The inbox answers only its own machine: elsewhere it is not offered.
    context = {"public_url": settings.PUBLIC_URL, "has_inbox": is_local(request), "schema_url": SCHEMA_URL}
    response = render(request, template, context)
    response["Content-Security-Policy"] = policy
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    return response
