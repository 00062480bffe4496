"""What all views below /compat/mailgun share: the key as a password (RFC 7617), and Mailgun's errors."""

from base64 import b64decode
from typing import Any, ClassVar

from rest_framework.request import Request

from accounts.authentication import BearerAuthentication, Principal, authenticate_request
from accounts.models import ApiKey
from accounts.services import UnauthorizedError
from gateways.compat.viewsets import CompatViewSet
from gateways.mailgun.errors import handle_exception

# https://documentation.mailgun.com/docs/mailgun/api-reference/mg-auth
USER = "api"


class PasswordRequiredError(UnauthorizedError):
    """An API key is required: basic authentication with the user api, and the key as the password."""


class BasicAuthentication(BearerAuthentication):
    """`Authorization: Basic …` (RFC 7617) with the user `api` and the key as the password."""

    def authenticate(self, request: Request) -> tuple[Principal, ApiKey]:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "basic":
            raise PasswordRequiredError
        return authenticate_request(request, read_password(text))

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  DRF calls it so
        return "Basic"


def read_password(text: str) -> str:
    """The password of the user `api`; "" for another user, and for what is no user with a password."""
    try:
        user, _, password = b64decode(text.strip(" "), validate=True).decode().partition(":")
    except ValueError:
        return ""
    return password if user == USER else ""


class MailgunViewSet(CompatViewSet):
    """A resource in Mailgun's form."""

    authentication_classes = (BasicAuthentication,)
    handler: ClassVar[Any] = handle_exception
