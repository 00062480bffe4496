"""JSON of a project's retention."""

from typing import Any

from django.db.models import PositiveIntegerField
from rest_framework import serializers

from accounts.lifetimes.models import Retention
from accounts.lifetimes.retention import DEFAULTS, KINDS, MOST_DAYS
from common.serializers import StrictIntegerField, StrictSerializer


def describe_days(kind: str) -> str:
    field = Retention._meta.get_field(kind)
    assert isinstance(field, PositiveIntegerField)
    return str(field.help_text).replace("Empty", "Null")


def days_input(kind: str) -> StrictIntegerField:
    return StrictIntegerField(
        min_value=0, max_value=MOST_DAYS, default=DEFAULTS.find(kind), allow_null=True, help_text=describe_days(kind)
    )


def days_output(kind: str) -> serializers.IntegerField:
    return serializers.IntegerField(allow_null=True, help_text=describe_days(kind))


class RetentionInput(StrictSerializer):
    """The days for which a project keeps each kind of data. Null means for good."""

    takes_null = True
    bodies = days_input("bodies")
    attachments = days_input("attachments")
    messages = days_input("messages")
    events = days_input("events")
    attempts = days_input("attempts")
    webhook_log = days_input("webhook_log")
    audit = days_input("audit")
    statistics = days_input("statistics")
    bounced_suppressions = days_input("bounced_suppressions")


class RetentionOutput(serializers.Serializer[Any]):
    """The days; null means for good."""

    bodies = days_output("bodies")
    attachments = days_output("attachments")
    messages = days_output("messages")
    events = days_output("events")
    attempts = days_output("attempts")
    webhook_log = days_output("webhook_log")
    audit = days_output("audit")
    statistics = days_output("statistics")
    bounced_suppressions = days_output("bounced_suppressions")


# A kind of the table that the API forgot would be set to its default by each PUT.
assert set(RetentionInput().fields) == set(RetentionOutput().fields) == set(KINDS)
