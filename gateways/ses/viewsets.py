"""What all views below /compat/ses share: the signature, and SES's errors."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from django.http import UnreadablePostError
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.authentication import Principal
from accounts.metering.wrong_keys import wrong_keys
from accounts.models import ApiKey
from accounts.services import check_key
from accounts.signing.pairs import find_signing_pair
from common.client_ip import client_ip
from common.errors import BodyTooLargeError
from common.listening import BODY_CALLER, BODY_LIMIT
from common.parsers import MAX_BATCH_BODY, IncompleteBodyError, read_length
from gateways.compat.viewsets import CompatViewSet
from gateways.ses.errors import UnknownPairError, UnsignedError, UntimelyError, WrongSignatureError, handle_exception
from gateways.ses.signature import Signature, SignedRequest, is_timely, is_valid, parse_signature

# The body is read as a whole before it is parsed, because the signature covers it; Django reads no larger one so.
MAX_SIGNED_BODY = MAX_BATCH_BODY


class SignatureAuthentication(BaseAuthentication):
    """`Authorization: AWS4-HMAC-SHA256 …` with a key's pair."""

    def authenticate(self, request: Request) -> tuple[Principal, ApiKey]:
        signature = parse_signature(request.META.get("HTTP_AUTHORIZATION", ""))
        if signature is None:
            raise UnsignedError
        if not is_timely(signature, request.META.get("HTTP_X_AMZ_DATE", ""), datetime.now(UTC)):
            raise UntimelyError
        key = verify(request, signature)
        check_key(key, client_ip(request.META))
        return Principal(key), key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  DRF calls it so
        return "AWS4-HMAC-SHA256"


def verify(request: Request, signature: Signature) -> ApiKey:
    """The key whose pair signed the request. Raises UnknownPairError or WrongSignatureError."""
    pair = find_signing_pair(signature.access_key_id)
    if pair is None:
        wrong_keys.note(client_ip(request.META))
        raise UnknownPairError
    signed = SignedRequest(
        method=request.method or "",
        path=write_path(request),
        query=request.META.get("QUERY_STRING", ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=read_signed_body(request, str(pair.api_key.project_id)),
    )
    if not is_valid(signature, pair.secret, signed):
        wrong_keys.note(client_ip(request.META))
        raise WrongSignatureError
    return pair.api_key


def write_path(request: Request) -> str:
    """The path as SDKs write it: in a value of the route, a slash is percent-encoded too."""
    value = next(iter(request.parser_context["kwargs"].values()), "")
    before, found, after = request.path.rpartition(value) if value else (request.path, "", "")
    return quote(before, safe="/") + quote(found, safe="") + quote(after, safe="/")


def read_signed_body(request: Request, caller: str) -> bytes:
    """The body, which the parser reads again. Raises BodyTooLargeError or IncompleteBodyError."""
    request.META.update({BODY_LIMIT: MAX_SIGNED_BODY, BODY_CALLER: caller})
    if read_length(request.META) > MAX_SIGNED_BODY:
        raise BodyTooLargeError(limit=MAX_SIGNED_BODY)
    try:
        body: bytes = request.body
    except UnreadablePostError as error:
        raise IncompleteBodyError from error
    return body


class SesViewSet(CompatViewSet):
    """A resource in SES's form."""

    max_body = MAX_SIGNED_BODY
    authentication_classes = (SignatureAuthentication,)
    handler: ClassVar[Any] = handle_exception
