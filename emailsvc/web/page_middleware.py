"""Django's middleware for pages, which requests of APIs pass by: they have no session, no login, no cookie and no form.

Subclasses, because Django's system checks look for the classes in MIDDLEWARE.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware

from common.problems import wants_problems


class _ForPages:
    """Hands requests below API paths to the next middleware at once."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request) if wants_problems(request) else super().__call__(request)  # type: ignore[misc]


class PageStaticFiles(_ForPages, WhiteNoiseMiddleware):  # type: ignore[misc]
    pass


class PageSession(_ForPages, SessionMiddleware):
    pass


class PageAuthentication(_ForPages, AuthenticationMiddleware):
    pass


class PageMessages(_ForPages, MessageMiddleware):
    pass
