"""Our errors in Resend's form: `application/json` with `statusCode`, `name` and `message`.

The names and their statuses: https://resend.com/docs/api-reference/errors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.errors import ApiError, FieldError, NotFoundError
from common.problems import to_api_error

# A message names so many fields.
MAX_NAMED = 10
VALIDATION = "validation_error"

# Our fields that have another name at Resend.
FIELDS: Mapping[str, str] = {
    "from_": "from",
    "template_id": "template.id",
    "template_vars": "template.variables",
    "metadata": "tags",
}
# The index in a batch, the field, and what follows.
PATH = re.compile(r"(?P<index>\[\d+\]\.)?(?P<field>[a-z_]+)(?P<rest>.*)", re.DOTALL)
CONTENT = re.compile(r"^(\[\d+\])\.content_b64$")


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


def name_field(path: str) -> str:
    """The path of our field in Resend's names: `[3].from_` → `[3].from`."""
    found = PATH.fullmatch(path)
    if found is None:
        return path
    name = FIELDS.get(found["field"], found["field"])
    rest = CONTENT.sub(r"\1.content", found["rest"]) if name == "attachments" else found["rest"]
    return f"{found['index'] or ''}{name}{rest}"


def describe(error: FieldError) -> str:
    """One error as a sentence: `from: Must be a string.`"""
    return f"{name_field(error.field)}: {error.message}" if error.field else error.message


def describe_all(error: ApiError) -> str:
    """The message: each invalid field with its error, or the sentence of the error itself."""
    if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or not error.errors:
        return error.detail
    said = [describe(item) for item in error.errors[:MAX_NAMED]]
    left = len(error.errors) - len(said)
    return " ".join([*said, f"And {left} more."] if left else said)


def show_error(error: ApiError) -> dict[str, object]:
    """The response's body."""
    named = find_name(error)
    return {"statusCode": named.status, "name": named.name, "message": describe_all(error)}


def handle_exception(exception: Exception, _context: dict[str, object]) -> Response:
    """DRF's exception handler for the views below /compat/resend."""
    error = to_api_error(exception)
    set_rollback()
    return Response(show_error(error), status=find_name(error).status, headers=error.headers)


@csrf_exempt
def show_unknown_path(_request: HttpRequest) -> HttpResponse:
    """404 for a path that is not served; csrf_exempt, because a POST with a wrong path should get it too."""
    error = UnknownPathError()
    return JsonResponse(show_error(error), status=error.status)
