"""The API's input and output of suppressions."""

import binascii
from base64 import b64decode
from collections.abc import Collection, Mapping
from typing import Any

from rest_framework import serializers

from accounts.streams import ALL_STREAMS
from common.serializers import (
    AddressField,
    PageQuery,
    QueryBooleanField,
    QuerySerializer,
    SingleLineField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictSerializer,
    wrong,
)
from tracking.models import SuppressionReason, SuppressionWay
from tracking.suppressions.reach import MAY_NAME_STREAM
from tracking.suppressions.service import Selection

MAX_NOTE = 1_000
MAX_STREAM = 100
STREAM_FILTER = f"Only entries of this stream; `{ALL_STREAMS}`: only entries that hold for all streams."


class SuppressionInput(StrictSerializer):
    """An address to suppress."""

    address = AddressField()
    reason = StrictChoiceField(choices=SuppressionReason.choices, default=SuppressionReason.MANUAL)
    stream = StrictCharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=MAX_STREAM,
        help_text="The only stream for which it holds, for the reasons unsubscribe and manual. Null: all streams.",
    )
    note = SingleLineField(required=False, allow_blank=True, default="", max_length=MAX_NOTE)

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        if values.get("stream") is None or values.get("reason", SuppressionReason.MANUAL) in MAY_NAME_STREAM:
            return {}
        message = f"The reason {values['reason']} holds for all streams."
        return {"stream": [wrong(message, "stream_not_allowed")]}


class ImportInput(StrictSerializer):
    """A file of suppressions, in the form in which SendGrid, Mailgun, Postmark, SES, Mandrill or Brevo export it."""

    content_b64 = StrictCharField(help_text="The file in base64: CSV, JSON, or a ZIP with one of them.")
    reason = StrictChoiceField(
        choices=SuppressionReason.choices,
        required=False,
        help_text="The reason for lines without one. Default: the one that the columns of another service tell, or "
        "manual.",
    )
    stream = StrictCharField(
        required=False,
        max_length=MAX_STREAM,
        help_text="The stream of opt-outs and manual entries without one. Default: all streams.",
    )
    strict = StrictBooleanField(required=False, default=False, help_text="Import nothing if one line is invalid.")

    def validate_content_b64(self, value: str) -> bytes:
        try:
            return b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("Is not base64 (RFC 4648, 4).", "invalid_base64") from None


class ImportLineOutput(serializers.Serializer[Any]):
    """A line that was not imported, or a remark on one that was."""

    line = serializers.IntegerField(help_text="Counts from 1; in JSON the entries.")
    code = serializers.CharField()
    message = serializers.CharField()
    taken = serializers.BooleanField(source="is_taken", help_text="Whether its address is on the list all the same.")


class ImportOutput(serializers.Serializer[Any]):
    """The result of an import."""

    added = serializers.IntegerField(help_text="Number of new entries.")
    known = serializers.IntegerField(help_text="Number of entries that were on the list before.")
    refused = serializers.IntegerField(help_text="Number of lines that were not imported.")
    lines = ImportLineOutput(many=True, help_text="The first 1,000 lines that were not imported, and remarks.")


class SelectionQuery(QuerySerializer):
    """The entries of an address that are meant; all of them without a parameter."""

    reason = StrictChoiceField(choices=SuppressionReason.choices, required=False)
    stream = StrictCharField(required=False, max_length=MAX_STREAM, help_text=STREAM_FILTER)


class SuppressionQuery(SelectionQuery, PageQuery):
    """The list's parameters. All given filters must match."""

    address = AddressField(required=False, help_text="Only this address, the strongest entry first; case is ignored.")
    test = QueryBooleanField(required=False, help_text="Whether to list the entries of test keys.")
    q = StrictCharField(required=False, max_length=254, help_text="A part of the address; case is ignored.")


def read_selection(query: Mapping[str, Any]) -> Selection:
    """The entries that a validated `SelectionQuery` selects."""
    stream = query.get("stream")
    is_for_all = stream == ALL_STREAMS
    return Selection(reason=query.get("reason"), stream=None if is_for_all else stream, is_for_all=is_for_all)


class ProofOutput(serializers.Serializer[Any]):
    """The proof of a suppression."""

    email_id = serializers.UUIDField(source="message_id", allow_null=True, help_text="The email that caused it.")
    at = StrictDateTimeField(source="created_at")
    way = serializers.ChoiceField(
        choices=SuppressionWay.choices,
        help_text="`one_click` (RFC 8058), `page`, `mailto` (RFC 2369): the recipient asked. `feedback`: a server's "
        "reply, a report or an ESP's event. `import`: a file. `api`: a request, or staff in the admin.",
    )
    ip = serializers.IPAddressField(allow_null=True, help_text="The address of the client that asked for it.")


class SuppressionOutput(serializers.Serializer[Any]):
    """A suppressed address with the reason, the stream and the proof."""

    id = serializers.UUIDField()
    test = serializers.BooleanField(source="is_test", help_text="Whether it stops the mail of test keys only.")
    address = serializers.CharField()
    reason = serializers.ChoiceField(choices=SuppressionReason.choices)
    stream = serializers.CharField(allow_null=True, help_text="The only stream for which it holds; null: all streams.")
    note = serializers.CharField()
    email_id = serializers.UUIDField(source="message_id", allow_null=True)
    proof = ProofOutput(source="*")
    created_at = StrictDateTimeField()
