"""JSON of a project's retention."""

from typing import Any

from django.db.models import PositiveIntegerField
from rest_framework import serializers

from accounts.lifetimes.closing import GRACE_DAYS, MOST_GRACE_DAYS
from accounts.lifetimes.models import Closing, Retention
from accounts.lifetimes.retention import DEFAULTS, KINDS, MOST_DAYS
from common.serializers import (
    QueryIntegerField,
    QuerySerializer,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
    TimeField,
)


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
    requests = days_input("requests")
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
    requests = days_output("requests")
    statistics = days_output("statistics")
    bounced_suppressions = days_output("bounced_suppressions")


class ClosingQuery(QuerySerializer):
    """How long the closed project stays."""

    delete_after_days = QueryIntegerField(
        min_value=0, max_value=MOST_GRACE_DAYS, default=GRACE_DAYS, help_text="Days until its rows are deleted."
    )


class ClosingOutput(serializers.Serializer[Closing]):
    """The end of a project."""

    project_id = serializers.UUIDField()
    project_name = serializers.CharField()
    closed_at = StrictDateTimeField()
    stopped_at = TimeField(help_text="When none of its mail was left that could still be sent; null before.")
    delete_at = StrictDateTimeField()


# A kind of the table that the API forgot would be set to its default by each PUT.
assert set(RetentionInput().fields) == set(RetentionOutput().fields) == set(KINDS)
