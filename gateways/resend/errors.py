"""Our errors in Resend's form: `application/json` with `statusCode`, `name` and `message`.

The names and their statuses: https://resend.com/docs/api-reference/errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.errors import ApiError, NotFoundError
from common.problems import to_api_error
from gateways.compat.wording import Wording

VALIDATION = "validation_error"

WORDING = Wording(
    fields={
        "from_": "from",
        "template_id": "template.id",
        "template_vars": "template.variables",
        "metadata": "tags",
        "url": "endpoint",
    },
    files={"content_b64": "content"},
)


class UnknownPathError(NotFoundError):
    """This path of Resend's API is not served here. The page /docs/resend lists what is; /api/v1 has the rest."""


@dataclass(frozen=True, slots=True)
class Named:
    """A status with Resend's name for the error."""

    status: int
    name: str


BY_CODE: Mapping[str, Named] = {
    "not_authenticated": Named(401, "missing_api_key"),
    "invalid_key": Named(403, "invalid_api_key"),
    "key_revoked": Named(403, "invalid_api_key"),
    "key_expired": Named(403, "invalid_api_key"),
    "missing_scope": Named(401, "restricted_api_key"),
    "ip_not_allowed": Named(401, "restricted_api_key"),
    "idempotency_key_invalid": Named(400, "invalid_idempotency_key"),
    "idempotency_key_reused": Named(409, "invalid_idempotent_request"),
    "idempotency_in_flight": Named(409, "concurrent_idempotent_requests"),
    # All errors of the request are missing fields.
    "required": Named(422, "missing_required_field"),
}
BY_STATUS: Mapping[int, Named] = {
    404: Named(404, "not_found"),
    405: Named(405, "method_not_allowed"),
    # Resend has 409 for idempotency keys alone.
    409: Named(422, VALIDATION),
    429: Named(429, "rate_limit_exceeded"),
}


def find_name(error: ApiError) -> Named:
    """The status and name that Resend has for `error`."""
    found = BY_CODE.get(error.public_code) or BY_STATUS.get(error.status)
    if found:
        return found
    # The status stays: 503 tells a client to try again.
    return Named(
        int(error.status), "application_error" if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else VALIDATION
    )


def show_error(error: ApiError) -> dict[str, object]:
    """The response's body."""
    named = find_name(error)
    return {"statusCode": named.status, "name": named.name, "message": WORDING.describe_all(error)}


def handle_exception(exception: Exception, _context: dict[str, object]) -> Response:
    """DRF's exception handler for the views below /compat/resend."""
    error = to_api_error(exception)
    set_rollback()
    return Response(show_error(error), status=find_name(error).status, headers=error.headers)


def show_not_found(error: NotFoundError | None = None) -> HttpResponse:
    """404 by a view that DRF does not call."""
    return JsonResponse(show_error(error or NotFoundError()), status=HTTPStatus.NOT_FOUND)


@csrf_exempt
def show_unknown_path(_request: HttpRequest) -> HttpResponse:
    """404 for a path that is not served; csrf_exempt, because a POST with a wrong path should get it too."""
    return show_not_found(UnknownPathError())
