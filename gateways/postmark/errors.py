"""Our errors in Postmark's form: `{"ErrorCode": …, "Message": …}`.

The codes and their statuses: https://postmarkapp.com/developer/api/overview#error-codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.errors import ApiError, NotFoundError
from common.problems import to_api_error
from gateways.compat.wording import Wording

INVALID_EMAIL = 300
OK = 0

WORDING = Wording(
    fields={
        "from_": "From",
        "to": "To",
        "cc": "Cc",
        "bcc": "Bcc",
        "reply_to": "ReplyTo",
        "subject": "Subject",
        "html": "HtmlBody",
        "text": "TextBody",
        "headers": "Headers",
        "tags": "Tag",
        "metadata": "Metadata",
        "attachments": "Attachments",
        "stream": "MessageStream",
        "track_opens": "TrackOpens",
        "track_clicks": "TrackLinks",
        "template_id": "TemplateId",
        "template_vars": "TemplateModel",
        "name": "Name",
        "alias": "Alias",
        "layout": "LayoutTemplate",
    },
    files={"filename": "Name", "content_b64": "Content", "content_type": "ContentType", "content_id": "ContentID"},
)


class UnknownPathError(NotFoundError):
    """This path of Postmark's API is not served here. The page /docs/postmark lists what is; /api/v1 has the rest."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A status with Postmark's code for the error."""

    status: int
    code: int


# By our code. Postmark's SDKs take the status to choose the class of their exception.
BY_CODE: Mapping[str, Coded] = {
    "not_authenticated": Coded(401, 10),
    "invalid_key": Coded(401, 10),
    "key_revoked": Coded(401, 10),
    "key_expired": Coded(401, 10),
    "missing_scope": Coded(401, 10),
    "ip_not_allowed": Coded(401, 10),
    "sender_not_verified": Coded(422, 400),
    "recipient_not_allowed": Coded(422, INVALID_EMAIL),
    "bad_request": Coded(422, 402),
    "body_required": Coded(422, 402),
    "wrong_body_type": Coded(422, 403),
    "unsupported_media_type": Coded(422, 409),
    "batch_size": Coded(422, 410),
    "template_not_found": Coded(422, 1101),
    "template_not_published": Coded(422, 1101),
    "unknown_stream": Coded(422, 1235),
}
BY_STATUS: Mapping[int, Coded] = {
    400: Coded(422, 402),
    403: Coded(422, INVALID_EMAIL),
    409: Coded(422, INVALID_EMAIL),
    422: Coded(422, INVALID_EMAIL),
    429: Coded(429, 429),
    503: Coded(503, 100),
}


def find_code(error: ApiError) -> Coded:
    """The status and the code that Postmark has for `error`. Statuses that it does not use are their own codes."""
    return BY_CODE.get(error.public_code) or BY_STATUS.get(error.status) or Coded(int(error.status), int(error.status))


def show_error(error: ApiError) -> dict[str, object]:
    """The response's body, and the item of an invalid email in the response to a batch."""
    return {"ErrorCode": find_code(error).code, "Message": WORDING.describe_all(error)}


def handle_exception(exception: Exception, _context: dict[str, object]) -> Response:
    """DRF's exception handler for the views below /compat/postmark."""
    error = to_api_error(exception)
    set_rollback()
    return Response(show_error(error), status=find_code(error).status, headers=error.headers)


@csrf_exempt
def show_unknown_path(_request: HttpRequest) -> HttpResponse:
    """404 for a path that is not served; csrf_exempt, because a POST with a wrong path should get it too."""
    error = UnknownPathError()
    return JsonResponse(show_error(error), status=error.status)
