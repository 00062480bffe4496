"""Our webhook endpoints in Resend's form. Source: https://resend.com/docs/api-reference/webhooks/create-webhook."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers

from common.errors import FieldErrors, join_path
from common.serializers import StrictCharField, StrictChoiceField, StrictSerializer, StrictUUIDField
from common.times import format_time
from delivery.ssrf import MAX_URL
from webhooks.formats.resend import TYPES
from webhooks.models import Endpoint, EndpointStatus
from webhooks.serializers import MAX_EVENTS

OURS: Mapping[str, str] = {theirs: ours for ours, theirs in TYPES.items()}
NO_EVENT = "There is no such event here. Known are {known}."


class EventsField(serializers.ListField):
    """Resend's types of events as ours, which are their only ones in this format."""

    child = StrictCharField(max_length=100)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=MAX_EVENTS, **kwargs)


class NewWebhook(StrictSerializer):
    """An endpoint to add."""

    endpoint = StrictCharField(max_length=MAX_URL)
    events = EventsField()


class WebhookPatch(StrictSerializer):
    """Changes of an endpoint; resend-python repeats the id of the path."""

    webhook_id = StrictUUIDField(required=False)
    endpoint = StrictCharField(max_length=MAX_URL, required=False)
    events = EventsField(required=False)
    status = StrictChoiceField(EndpointStatus.choices, required=False)


def read_events(names: Sequence[str]) -> list[str]:
    """Our types of the events. Raises InvalidFieldsError that names those that we do not have."""
    findings = FieldErrors()
    for index, name in enumerate(names):
        if name not in OURS:
            findings.add(join_path("events", index), "unknown_event_type", NO_EVENT.format(known=", ".join(OURS)))
    findings.raise_all()
    return [OURS[name] for name in names]


def show_webhook_row(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint in a list."""
    return {
        "id": str(endpoint.pk),
        "endpoint": endpoint.url,
        "created_at": format_time(endpoint.created_at),
        "status": endpoint.status,
        "events": [TYPES[name] for name in endpoint.events if name in TYPES],
    }


def show_webhook(endpoint: Endpoint) -> dict[str, Any]:
    """One endpoint. Its secret is shown only when it is new."""
    return {"object": "webhook", **show_webhook_row(endpoint), "signing_secret": None}


def show_secret(endpoint: Endpoint) -> dict[str, Any]:
    """The response with a new secret."""
    return {"object": "webhook", "id": str(endpoint.pk), "signing_secret": endpoint.secret}
