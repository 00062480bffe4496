"""The API's form of events, in the timeline and in the feed."""

from rest_framework import serializers

from common.serializers import StrictDateTimeField
from tracking.models import Event


class EventOutput(serializers.ModelSerializer[Event]):
    """An event. `recipient` is the address; null for an event of the whole email."""

    email_id = serializers.UUIDField(source="message_id")
    recipient = serializers.SerializerMethodField()
    occurred_at = StrictDateTimeField()

    class Meta:
        model = Event
        fields = ("id", "type", "email_id", "recipient", "occurred_at", "data")

    def get_recipient(self, event: Event) -> str | None:
        return event.address or None


class FeedEventOutput(EventOutput):
    """An event in the feed; `test` marks mail of a test key."""

    test = serializers.BooleanField(source="is_test")

    class Meta(EventOutput.Meta):
        fields = (*EventOutput.Meta.fields, "test")  # type: ignore[assignment]
