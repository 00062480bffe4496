"""The brake on the admin's login: who counts as one client, and what a locked out one is told."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from common.client_ip import client_ip


def find_address(request: HttpRequest) -> str | None:
    """The client's address; X-Forwarded-For counts only as far as TRUSTED_PROXIES says so."""
    address = client_ip(request.META)
    return str(address) if address else None


def lockout_response(request: HttpRequest, *_: Any) -> HttpResponse:
    """429: whoever guesses passwords waits. The same for right and wrong ones, so that guessing tells nothing."""
    wait = settings.AXES_COOLOFF_TIME
    response = render(request, "emailsvc/locked_out.html", {"wait": wait, "title": "Too many attempts"}, status=429)
    response["Retry-After"] = str(int(wait.total_seconds()))
    return response
