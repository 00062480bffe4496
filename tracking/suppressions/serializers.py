"""The API's input and output of suppressions."""

from typing import Any

from rest_framework import serializers

from common.serializers import (
    AddressField,
    PageQuery,
    SingleLineField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictSerializer,
)
from tracking.models import SuppressionReason
from tracking.suppressions.csv_files import MAX_NOTE


class SuppressionInput(StrictSerializer):
    """An address to suppress."""

    address = AddressField()
    reason = StrictChoiceField(choices=SuppressionReason.choices, default=SuppressionReason.MANUAL)
    note = SingleLineField(required=False, allow_blank=True, default="", max_length=MAX_NOTE)


class SuppressionQuery(PageQuery):
    """The list's parameters."""

    address = AddressField(required=False, help_text="Only this address; case does not matter.")
    reason = StrictChoiceField(choices=SuppressionReason.choices, required=False)


class SuppressionOutput(serializers.Serializer[Any]):
    """A suppressed address with the reason and the time. `email_id` is the email that caused the suppression."""

    id = serializers.UUIDField()
    address = serializers.CharField()
    reason = serializers.ChoiceField(choices=SuppressionReason.choices)
    note = serializers.CharField()
    email_id = serializers.UUIDField(source="message_id", allow_null=True)
    created_at = StrictDateTimeField()
