"""Our errors in Mailgun's form: `{"message": …}`. Source: https://documentation.mailgun.com/docs/mailgun/api-reference."""

from collections.abc import Mapping
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.errors import ApiError, NotFoundError
from common.problems import to_api_error
from gateways.compat.wording import Wording

WORDING = Wording(
    fields={
        "from_": "from",
        "reply_to": "h:Reply-To",
        "headers": "h",
        "tags": "o:tag",
        "metadata": "v",
        "attachments": "attachment",
        "scheduled_at": "o:deliverytime",
        "track_opens": "o:tracking-opens",
        "track_clicks": "o:tracking-clicks",
        "template_id": "template",
        "template_vars": "t:variables",
        "recipient_variables": "recipient-variables",
    },
    files={"content_b64": "content"},
)


class UnknownPathError(NotFoundError):
    """This path of Mailgun's API is not served here. The page /docs/mailgun lists what is; /api/v1 has the rest."""


class DomainNotFoundError(NotFoundError):
    """Domain not found: {name}"""


# Mailgun answers a key that may not do something as it answers none, and a wrong request with 400.
BY_CODE: Mapping[str, int] = {"missing_scope": 401, "ip_not_allowed": 401}
BY_STATUS: Mapping[int, int] = {403: 400, 415: 400, 422: 400}


def find_status(error: ApiError) -> int:
    """The status that Mailgun has for `error`. Those that it does not use stay."""
    return BY_CODE.get(error.public_code) or BY_STATUS.get(error.status) or int(error.status)


def show_error(error: ApiError) -> dict[str, str]:
    return {"message": WORDING.describe_all(error)}


def handle_exception(exception: Exception, _context: dict[str, object]) -> Response:
    """DRF's exception handler for the views below /compat/mailgun."""
    error = to_api_error(exception)
    set_rollback()
    status = find_status(error)
    headers = dict(error.headers)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="emailsvc"'
    return Response(show_error(error), status=status, headers=headers)


@csrf_exempt
def show_unknown_path(_request: HttpRequest) -> HttpResponse:
    """404 for a path that is not served; csrf_exempt, because a POST with a wrong path should get it too."""
    error = UnknownPathError()
    return JsonResponse(show_error(error), status=error.status)
