"""Our errors in the form of AWS's SESv2: `{"message": …}`, with the exception's name in `x-amzn-ErrorType`.

Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.errors import ApiError, NotFoundError, PermissionDeniedError
from common.problems import to_api_error
from gateways.compat.wording import Wording

ERROR_TYPE = "x-amzn-ErrorType"
WORDING = Wording(
    fields={
        "from_": "FromEmailAddress",
        "to": "ToAddresses",
        "cc": "CcAddresses",
        "bcc": "BccAddresses",
        "reply_to": "ReplyToAddresses",
        "subject": "Subject",
        "html": "Html",
        "text": "Text",
        "headers": "Headers",
        "metadata": "EmailTags",
        "tags": "X-Tag",
        "attachments": "Attachments",
        "stream": "ConfigurationSetName",
        "track_opens": "OpenTrackingEnabled",
        "track_clicks": "ClickTrackingEnabled",
        "template_id": "TemplateName",
        "template_vars": "TemplateData",
        "alias": "TemplateName",
        "name": "TemplateName",
        "address": "EmailAddress",
        "reason": "Reason",
    },
    files={
        "filename": "FileName",
        "content_b64": "RawContent",
        "content_type": "ContentType",
        "content_id": "ContentId",
    },
)


class UnknownPathError(NotFoundError):
    """This path of SES's API is not served here. The page /docs/ses lists what is; /api/v1 has the rest."""


class UnsignedError(PermissionDeniedError):
    """The request must be signed with AWS's Signature Version 4, for the service ses."""

    code = "missing_signature"


class UnknownPairError(PermissionDeniedError):
    """The access key id is unknown."""

    code = "unknown_access_key"


class WrongSignatureError(PermissionDeniedError):
    """The signature does not fit the request and the secret access key."""

    code = "wrong_signature"


class UntimelyError(PermissionDeniedError):
    """The signature's time differs from the service's by more than five minutes."""

    code = "signature_expired"


@dataclass(frozen=True, slots=True)
class Named:
    """A status with the name of AWS's exception, and the status of an entry in a bulk answer."""

    status: int
    name: str
    entry: str = "INVALID_PARAMETER"


INVALID = Named(400, "BadRequestException")
REJECTED = Named(400, "MessageRejected", "MESSAGE_REJECTED")
BY_CODE: Mapping[str, Named] = {
    "missing_signature": Named(403, "MissingAuthenticationTokenException"),
    "unknown_access_key": Named(403, "UnrecognizedClientException"),
    "wrong_signature": Named(403, "InvalidSignatureException"),
    "signature_expired": Named(403, "InvalidSignatureException"),
    "key_revoked": Named(403, "UnrecognizedClientException"),
    "key_expired": Named(403, "UnrecognizedClientException"),
    "missing_scope": Named(403, "AccessDeniedException"),
    "ip_not_allowed": Named(403, "AccessDeniedException"),
    "sender_not_verified": Named(400, "MailFromDomainNotVerifiedException", "MAIL_FROM_DOMAIN_NOT_VERIFIED"),
    "recipient_not_allowed": REJECTED,
    "template_not_found": Named(404, "NotFoundException", "TEMPLATE_NOT_FOUND"),
    "template_not_published": Named(404, "NotFoundException", "TEMPLATE_NOT_FOUND"),
    "unknown_stream": Named(404, "NotFoundException", "CONFIGURATION_SET_NOT_FOUND"),
    "alias_taken": Named(400, "AlreadyExistsException"),
    "quota_exceeded": Named(400, "LimitExceededException", "ACCOUNT_DAILY_QUOTA_EXCEEDED"),
}
BY_STATUS: Mapping[int, Named] = {
    400: INVALID,
    403: Named(403, "AccessDeniedException"),
    404: Named(404, "NotFoundException"),
    409: Named(409, "ConflictException"),
    415: INVALID,
    422: INVALID,
    429: Named(429, "TooManyRequestsException", "ACCOUNT_THROTTLED"),
    500: Named(500, "InternalServiceErrorException", "TRANSIENT_FAILURE"),
    503: Named(503, "ServiceUnavailable", "TRANSIENT_FAILURE"),
}


def find_named(error: ApiError) -> Named:
    status = int(error.status)
    return BY_CODE.get(error.public_code) or BY_STATUS.get(status) or Named(status, INVALID.name)


def show_entry(error: ApiError) -> dict[str, str]:
    """The result of an email of a bulk request that was refused."""
    return {"Status": find_named(error).entry, "Error": WORDING.describe_all(error)}


def handle_exception(exception: Exception, _context: dict[str, object]) -> Response:
    """DRF's exception handler for the views below /compat/ses."""
    error = to_api_error(exception)
    set_rollback()
    named = find_named(error)
    headers = {name: value for name, value in error.headers.items() if name != "WWW-Authenticate"}
    headers[ERROR_TYPE] = named.name
    return Response({"message": WORDING.describe_all(error)}, status=named.status, headers=headers)


@csrf_exempt
def show_unknown_path(_request: HttpRequest) -> HttpResponse:
    """404 for a path that is not served; csrf_exempt, because a POST with a wrong path should get it too."""
    error = UnknownPathError()
    return JsonResponse(
        {"message": error.detail}, status=HTTPStatus.NOT_FOUND, headers={ERROR_TYPE: find_named(error).name}
    )
