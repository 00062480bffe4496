"""`/api/v1/suppressions/{address}/release`. It may send mail, so it is in this package, not in `tracking`."""

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
from tracking.suppressions.serializers import SelectionQuery, SuppressionOutput, read_selection
from tracking.suppressions.views import normalise


class ReleaseRequest(LenientSerializer):
    """The options of a release."""

    # If an empty value counted as absent, the release would resend all suppressed mail.
    strict_about = frozenset({"since"})

    resend = StrictBooleanField(required=False, help_text="Resend the suppressed emails to this address.")
    since = StrictDateTimeField(required=False, help_text="Resend only emails that were suppressed after this time.")


class ReleasedEmail(serializers.Serializer[object]):
    """A resent email."""

    id = serializers.UUIDField()
    resent_from = serializers.UUIDField(help_text="The suppressed email.")


class RefusedEmail(serializers.Serializer[object]):
    """A suppressed email whose resend was rejected."""

    id = serializers.UUIDField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ReleaseOutput(serializers.Serializer[object]):
    """The released address, and the results of the resends."""

    address = serializers.CharField()
    released = SuppressionOutput(many=True, help_text="The removed entries, the strongest first.")
    reason = serializers.CharField(help_text="The reason of the first one.")
    stream = serializers.CharField(allow_null=True, help_text="The stream of the first one; null: all streams.")
    suppressed_at = StrictDateTimeField()
    resent = ReleasedEmail(many=True)
    refused = RefusedEmail(many=True)
    left_count = serializers.IntegerField(help_text="Number of older messages not resent because of the limit.")


class ReleaseView(ProjectView):
    """Releases an address. With `resend` the key needs the scope `emails:send` beside `suppressions:write`."""

    scopes: ClassVar = {"post": SUPPRESSIONS_WRITE}
    queries = {"post": SelectionQuery}
    bodies = {"post": ReleaseRequest}
    change_name = "release_suppression"

    @extend_schema(operation_id="release_suppression", responses=ReleaseOutput)
    @idempotent
    def post(self, request: Request, address: str) -> Generator[None, None, Response]:
        """Remove the entries of an address, all or those of a reason and a stream, from the suppression list.

        With `resend`, also resend the suppressed emails that no other entry stops. 404 if there is no such entry.
        """
        fields = self.read_body()
        should_resend = fields.get("resend", False)
        if should_resend:
            require_scope(request, EMAILS_SEND)
        yield
        found = release_address(
            self.key,
            normalise(address),
            read_selection(self.query),
            should_resend=should_resend,
            since=fields.get("since"),
        )
        if found is None:
            raise NotFoundError
        return Response(show_release(found))


def show_release(found: ReleaseResult) -> dict[str, Any]:
    first = found.suppressions[0]
    return {
        "address": first.address,
        "released": SuppressionOutput(found.suppressions, many=True).data,
        "reason": first.reason,
        "stream": first.stream,
        "suppressed_at": format_time(first.created_at),
        "resent": [{"id": str(new.pk), "resent_from": str(new.resent_from_id)} for new in found.resent],
        "refused": [
            {"id": str(item.message.pk), "code": item.error.public_code, "detail": item.error.detail}
            for item in found.refused
        ],
        "left_count": found.left_count,
    }
