"""The lockout of the admin's login: identifies the client, and answers locked-out clients."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from common.client_ip import client_ip


def find_address(request: HttpRequest) -> str | None:
    """The client's address. X-Forwarded-For is used only from TRUSTED_PROXIES."""
    address = client_ip(request.META)
    return str(address) if address else None


def lockout_response(request: HttpRequest, *_: Any) -> HttpResponse:
    """429 for a locked-out client. Right and wrong passwords get the same answer, so that guessing reveals nothing."""
    wait = settings.AXES_COOLOFF_TIME
    response = render(request, "emailsvc/locked_out.html", {"wait": wait, "title": "Too many attempts"}, status=429)
    response["Retry-After"] = str(int(wait.total_seconds()))
    return response
