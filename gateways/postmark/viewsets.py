"""What all views below /compat/postmark share: the key in Postmark's header, and its errors."""

from typing import Any, ClassVar

from rest_framework.request import Request

from accounts.authentication import BearerAuthentication, Principal, authenticate_request
from accounts.models import ApiKey
from accounts.services import UnauthorizedError
from gateways.compat.viewsets import CompatViewSet
from gateways.postmark.errors import handle_exception

# https://postmarkapp.com/developer/api/overview#authentication
TOKEN_HEADER = "X-Postmark-Server-Token"  # noqa: S105  the header's name


class TokenRequiredError(UnauthorizedError):
    """An API key is required: `X-Postmark-Server-Token: <key>`."""


class TokenAuthentication(BearerAuthentication):
    """`X-Postmark-Server-Token: <key>`."""

    def authenticate(self, request: Request) -> tuple[Principal, ApiKey]:
        token = request.headers.get(TOKEN_HEADER, "").strip(" ")
        if not token:
            raise TokenRequiredError
        return authenticate_request(request, token)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  DRF calls it so
        return TOKEN_HEADER


class PostmarkViewSet(CompatViewSet):
    """A resource in Postmark's form."""

    authentication_classes = (TokenAuthentication,)
    handler: ClassVar[Any] = handle_exception
