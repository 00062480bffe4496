"""Our errors in SendGrid's form: `{"errors": [{"message": …, "field": …, "help": …}]}`.

Fields and statuses: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors.
"""

import re
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.errors import ApiError, FieldError, NotFoundError
from common.problems import to_api_error

# The index of a personalization, our field, and what follows.
PATH = re.compile(r"(?:\[(?P<index>\d+)\]\.?)?(?P<field>[a-z_]*)(?P<rest>.*)", re.DOTALL)
MEMBER = re.compile(r"(?P<index>\[\d+\])\.(?P<field>[a-z_0-9]+)\Z")
STEP = re.compile(r"\[(\d+)\]")

# Our fields of which each personalization has its own.
PERSONAL: Mapping[str, str] = {
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "substitutions": "substitutions",
    "template_vars": "dynamic_template_data",
}
SHARED: Mapping[str, str] = {
    "from_": "from.email",
    "reply_to": "reply_to_list",
    "html": "content",
    "text": "content",
    "tags": "categories",
    "metadata": "custom_args",
    "scheduled_at": "send_at",
    "stream": "asm.group_id",
    "track_opens": "tracking_settings.open_tracking.enable",
    "track_clicks": "tracking_settings.click_tracking.enable",
    "enable_unsubscribe": "tracking_settings.subscription_tracking.enable",
}
FILES: Mapping[str, str] = {"content_b64": "content", "content_type": "type"}
# The field of an error that names none of ours.
NAMED: Mapping[str, str] = {"sender_not_verified": "from"}

BY_CODE: Mapping[str, int] = {"sender_not_verified": 403, "recipient_not_allowed": 403}
# By our status; the others stay.
BY_STATUS: Mapping[int, int] = {422: 400}


class UnknownPathError(NotFoundError):
    """This path of SendGrid's API is not served here. The page /docs/sendgrid lists what is; /api/v1 has the rest."""


def name_field(path: str) -> str:
    """The path of our field in SendGrid's names: `[3].to[0]` → `personalizations.3.to.0`."""
    found = PATH.fullmatch(path)
    if found is None:
        return path
    index, field, rest = found["index"] or "0", found["field"], found["rest"]
    if field == "attachments" and (member := MEMBER.match(rest)):
        rest = f"{member['index']}.{FILES.get(member['field'], member['field'])}"
    if field in PERSONAL:
        name = f"personalizations.{index}.{PERSONAL[field]}"
    elif field:
        name = SHARED.get(field, field)
    else:
        name = f"personalizations.{index}" if found["index"] else ""
    return STEP.sub(r".\1", f"{name}{rest}")


def find_status(error: ApiError) -> int:
    """The status that SendGrid has for `error`."""
    return BY_CODE.get(error.public_code) or BY_STATUS.get(error.status, int(error.status))


def show_error(error: ApiError) -> dict[str, object]:
    """The response's body. Errors in a field that all personalizations share are told once."""
    given = error.errors or [FieldError("", error.public_code, error.detail)]
    told = {(NAMED.get(item.code) or name_field(item.field), item.message): None for item in given}
    return {"errors": [{"message": message, "field": field or None, "help": None} for field, message in told]}


def handle_exception(exception: Exception, _context: dict[str, object]) -> Response:
    """DRF's exception handler for the views below /compat/sendgrid."""
    error = to_api_error(exception)
    set_rollback()
    return Response(show_error(error), status=find_status(error), headers=error.headers)


@csrf_exempt
def show_unknown_path(_request: HttpRequest) -> HttpResponse:
    """404 for a path that is not served; csrf_exempt, because a POST with a wrong path should get it too."""
    error = UnknownPathError()
    return JsonResponse(show_error(error), status=error.status)
