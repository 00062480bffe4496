"""Serializers of webhook endpoints and their delivery log."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import (
    PageQuery,
    QueryBooleanField,
    SingleLineField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictSerializer,
    StrictUUIDField,
    wrong,
)
from common.validation import NON_FIELD
from delivery.ssrf import MAX_URL
from webhooks.event_types import ALL, EventType
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, Format, WebhookDelivery

MAX_EVENTS = 50
EVENTS_HELP = f'Event types, or ["{ALL}"] for all, including those of later versions: {", ".join(EventType.values)}.'

FORMAT_HELP = "The form of the posts: `standard`, or that of another service for its receivers."


class EndpointInput(StrictSerializer):
    """A new endpoint."""

    url = StrictCharField(max_length=MAX_URL, help_text="An http:// or https:// URL at a public address.")
    events = serializers.ListField(
        child=StrictCharField(max_length=100), min_length=1, max_length=MAX_EVENTS, help_text=EVENTS_HELP
    )
    description = SingleLineField(max_length=200, required=False, allow_blank=True, default="")
    format = StrictChoiceField(Format.choices, required=False, default=Format.STANDARD.value, help_text=FORMAT_HELP)


class EndpointPatch(StrictSerializer):
    """Changes to an endpoint."""

    url = StrictCharField(max_length=MAX_URL, required=False)
    events = serializers.ListField(
        child=StrictCharField(max_length=100), min_length=1, max_length=MAX_EVENTS, required=False
    )
    description = SingleLineField(max_length=200, required=False, allow_blank=True)
    format = StrictChoiceField(Format.choices, required=False, help_text=FORMAT_HELP)
    status = StrictChoiceField(EndpointStatus.choices, required=False)


class ReplayInput(StrictSerializer):
    """Either one delivery, or all deliveries since a time; only failed ones unless `status` says otherwise."""

    delivery_id = StrictUUIDField(required=False)
    since = StrictDateTimeField(required=False)
    until = StrictDateTimeField(required=False)
    types = serializers.ListField(child=StrictCharField(max_length=100), required=False, max_length=MAX_EVENTS)
    status = StrictChoiceField([DeliveryStatus.FAILED.value, DeliveryStatus.DELIVERED.value, "all"], required=False)

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        if ("delivery_id" in given) == ("since" in given):
            return {NON_FIELD: [wrong("Give either delivery_id or since.", "either_or")]}
        if "delivery_id" in given and len(given) > 1:
            return {NON_FIELD: [wrong("delivery_id cannot be combined with other fields.", "either_or")]}
        return {}


class ReplayOutput(serializers.Serializer[object]):
    """The number of deliveries that are queued again."""

    replayed = serializers.IntegerField()


class EndpointOutput(serializers.Serializer[Endpoint]):
    """An endpoint. Its secret is shown only on creation and on rotation."""

    id = serializers.UUIDField()
    test = serializers.BooleanField(source="is_test", help_text="Whether it receives the events of test mail only.")
    url = serializers.CharField()
    description = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    format = serializers.ChoiceField(Format.choices)
    public_key = serializers.SerializerMethodField(help_text="Verifies posts in the format `sendgrid`; else null.")
    status = serializers.ChoiceField(EndpointStatus.choices)
    disabled_reason = serializers.SerializerMethodField()
    failing_since = StrictDateTimeField(allow_null=True)
    last_success_at = StrictDateTimeField(allow_null=True, help_text="Precise to ten seconds.")
    last_failure_at = StrictDateTimeField(allow_null=True)
    created_at = StrictDateTimeField()
    updated_at = StrictDateTimeField()

    def get_public_key(self, endpoint: Endpoint) -> str | None:
        return endpoint.public_key or None

    def get_disabled_reason(self, endpoint: Endpoint) -> str | None:
        return endpoint.disabled_reason or None


class EndpointWithSecret(EndpointOutput):
    """An endpoint with its new secret. After a rotation posts are also signed with the previous secret until
    `previous_secret_until`; with earlier ones until their own 24 hours are over.
    """

    secret = serializers.CharField()
    previous_secret_until = StrictDateTimeField(allow_null=True)


class WebhookAttemptOutput(serializers.Serializer[object]):
    """One attempt: the response's status and the beginning of its body, or the error."""

    at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField(allow_null=True)
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()
    response = serializers.CharField()


class DeliveryOutput(serializers.Serializer[WebhookDelivery]):
    """One event for one endpoint: the payload and its attempts. `event_id` is sent as the header `webhook-id`."""

    id = serializers.UUIDField()
    event_id = serializers.UUIDField()
    type = serializers.CharField()
    status = serializers.ChoiceField(DeliveryStatus.choices)
    response_status = serializers.SerializerMethodField()
    attempt_count = serializers.IntegerField()
    attempts = serializers.SerializerMethodField()
    next_attempt_at = StrictDateTimeField(allow_null=True)
    created_at = StrictDateTimeField()
    finished_at = StrictDateTimeField(allow_null=True)
    payload = serializers.SerializerMethodField()

    def get_response_status(self, delivery: WebhookDelivery) -> int | None:
        """The HTTP status of the last attempt; null when it got no response."""
        status: int | None = delivery.attempts[-1]["status"] if delivery.attempts else None
        return status

    @extend_schema_field(WebhookAttemptOutput(many=True))
    def get_attempts(self, delivery: WebhookDelivery) -> list[dict[str, Any]]:
        attempts: list[dict[str, Any]] = delivery.attempts
        return attempts

    def get_payload(self, delivery: WebhookDelivery) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(delivery.payload)
        return payload


class EndpointQuery(PageQuery):
    """A page of endpoints."""

    test = QueryBooleanField(required=False, help_text="Whether to list the endpoints of test keys.")


class DeliveryQuery(PageQuery):
    """Query parameters of the delivery log."""

    status = StrictChoiceField(DeliveryStatus.choices, required=False)
    type = StrictCharField(max_length=100, required=False)
    event_id = serializers.UUIDField(required=False)
