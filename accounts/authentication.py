"""`Authorization: Bearer <key>`."""

from dataclasses import dataclass

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.metering.wrong_keys import wrong_keys
from accounts.models import ApiKey, Project
from accounts.services import InvalidKeyError, UnauthorizedError, authenticate_token
from common.client_ip import client_ip

# Where the request's META has its ApiKey, for what is recorded of it afterwards.
CALLER_KEY = "emailsvc.api_key"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: `request.user` for a request with an API key."""

    api_key: ApiKey
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True
    is_staff: bool = False

    @property
    def pk(self) -> object:
        return self.api_key.pk

    @property
    def project(self) -> Project | None:
        """None for a key of the installation."""
        return self.api_key.project


def authenticate_request(request: Request, text: str) -> tuple[Principal, ApiKey]:
    """The caller by the text of its key, wherever the request carried it. A wrong key is counted against its address.

    Raises UnauthorizedError and its kinds, or TooManyWrongKeysError.
    """
    address = client_ip(request.META)
    try:
        key = authenticate_token(text, address)
    except InvalidKeyError:
        wrong_keys.note(address)
        raise
    request.META[CALLER_KEY] = key
    return Principal(key), key


class BearerAuthentication(BaseAuthentication):
    """Sets `request.auth` to the `ApiKey` and `request.user` to its `Principal`."""

    def authenticate(self, request: Request) -> tuple[Principal, ApiKey]:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, text = header.partition(" ")
        if not header:
            raise UnauthorizedError
        # Another scheme's credential is no key of ours.
        return authenticate_request(request, text.strip(" ") if scheme.lower() == "bearer" else "")

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  DRF calls it so
        return "Bearer"
