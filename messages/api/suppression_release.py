"""`/api/v1/suppressions/{address}/release`: here and not beside the list's other views, since it may send mail."""

from collections.abc import Generator
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent
from accounts.permissions import require_scope
from accounts.scopes import EMAILS_SEND, SUPPRESSIONS_WRITE
from accounts.viewsets import ProjectView
from common.errors import NotFoundError
from common.serializers import StrictBooleanField, StrictDateTimeField
from common.times import format_time
from messages.api.fields import LenientSerializer
from messages.suppressed_mail import ReleaseResult, release_address
from tracking.suppressions.views import normalise


class ReleaseRequest(LenientSerializer):
    """Whether to send what was held back."""

    # Taken for absent it would send again all that was ever held back.
    strict_about = frozenset({"since"})

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


class ReleaseOutput(serializers.Serializer[object]):
    """The address that is written to again, and the emails that were held back."""

    address = serializers.CharField()
    reason = serializers.CharField(help_text="Why it was on the list.")
    suppressed_at = StrictDateTimeField()
    resent = ReleasedEmail(many=True)
    refused = RefusedEmail(many=True)
    left_count = serializers.IntegerField(help_text="Older ones that were too many; each can be sent again by itself.")


class ReleaseView(ProjectView):
    """Takes an address off the list. With `resend` the key needs `emails:send` beside `suppressions:write`."""

    scopes: ClassVar = {"post": SUPPRESSIONS_WRITE}
    bodies = {"post": ReleaseRequest}

    @extend_schema(operation_id="release_suppression", responses=ReleaseOutput)
    @idempotent
    def post(self, request: Request, address: str) -> Generator[None, None, Response]:
        """Write to the address again, and with `resend` send it now what was held back. 404 where it is not listed."""
        fields = self.read_body()
        should_resend = fields.get("resend", False)
        if should_resend:
            require_scope(request, EMAILS_SEND)
        yield
        found = release_address(self.key, normalise(address), should_resend=should_resend, since=fields.get("since"))
        if found is None:
            raise NotFoundError
        return Response(show_release(found))


def show_release(found: ReleaseResult) -> dict[str, Any]:
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
