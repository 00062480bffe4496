"""`/api/v1/suppressions/{address}/release`: here and not beside the list's other views, since it may send mail."""

from http import HTTPStatus
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import require_scope
from accounts.scopes import EMAILS_SEND, SUPPRESSIONS_WRITE
from common.errors import NotFoundError
from common.parsers import read_optional_object
from common.serializers import StrictBooleanField, StrictDateTimeField
from common.times import format_time
from messages.api.fields import LenientSerializer
from messages.api.queries import NoQuery
from messages.api.serializers import read_fields
from messages.api.views import Act, answer_once, key_of, read_query
from messages.idempotency import Answer
from messages.suppressed_mail import Release, release_address
from tracking.suppressions.views import normalise


class ReleaseRequest(LenientSerializer):
    """Whether to send what was held back."""

    resend = StrictBooleanField(required=False, help_text="Send the held-back emails to this address now.")
    since = StrictDateTimeField(required=False, help_text="Only those that were held back after this time.")


class ReleasedEmail(serializers.Serializer[object]):
    """An email that was sent again."""

    id = serializers.UUIDField()
    resent_from = serializers.UUIDField(help_text="The email that was held back.")


class RefusedEmail(serializers.Serializer[object]):
    """An email that was held back and may not be sent any more."""

    id = serializers.UUIDField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ReleaseAnswer(serializers.Serializer[object]):
    """The address that is written to again, and the emails that were held back."""

    address = serializers.CharField()
    reason = serializers.CharField(help_text="Why it was on the list.")
    suppressed_at = StrictDateTimeField()
    resent = ReleasedEmail(many=True)
    refused = RefusedEmail(many=True)
    left_count = serializers.IntegerField(help_text="Older ones that were too many; each can be sent again by itself.")


class ReleaseView(APIView):
    """Takes an address off the list. With `resend` the key needs `emails:send` beside `suppressions:write`."""

    scopes: ClassVar = {"post": SUPPRESSIONS_WRITE}
    is_body_optional = True

    @extend_schema(operation_id="release_suppression", request=ReleaseRequest, responses=ReleaseAnswer)
    def post(self, request: Request, address: str) -> Response:
        """Write to the address again, and with `resend` send it now what was held back. 404 where it is not listed."""
        read_query(NoQuery, request)

        def prepare() -> Act:
            fields = read_fields(ReleaseRequest, read_optional_object(request))
            should_resend = fields.get("resend", False)
            if should_resend:
                require_scope(request, EMAILS_SEND)

            def act() -> Answer:
                found = release_address(
                    key_of(request), normalise(address), should_resend=should_resend, since=fields.get("since")
                )
                if found is None:
                    raise NotFoundError
                return Answer(status=HTTPStatus.OK, body=show_release(found))

            return act

        return answer_once(request, prepare)


def show_release(found: Release) -> dict[str, Any]:
    return {
        "address": found.suppression.address,
        "reason": found.suppression.reason,
        "suppressed_at": format_time(found.suppression.created_at),
        "resent": [{"id": str(new.pk), "resent_from": str(new.resent_from_id)} for new in found.resent],
        "refused": [
            {"id": str(item.message.pk), "code": item.error.public_code, "detail": item.error.detail}
            for item in found.refused
        ],
        "left_count": found.left_count,
    }
