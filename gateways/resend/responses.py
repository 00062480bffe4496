"""Our emails in Resend's form.

Sources: https://resend.com/docs/api-reference/emails/retrieve-email and …/list-emails.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.models import Project
from messages.api.responses import ROW
from messages.models import Message
from messages.states import Status, StatusReason
from tracking.models import Event, EventType
from tracking.stats.counting import SHOWN

# Resend's last event for each of our states.
LAST_EVENTS: Mapping[str, str] = {
    Status.SCHEDULED: "scheduled",
    Status.QUEUED: "queued",
    Status.SENT: "sent",
    Status.DELIVERING: "delivery_delayed",
    Status.DELIVERED: "delivered",
    Status.FAILED: "failed",
    Status.BOUNCED: "bounced",
    Status.CANCELLED: "canceled",
}
# What recipients did, which comes after these states.
REACTIONS: Mapping[str, str] = {
    EventType.OPENED: "opened",
    EventType.CLICKED: "clicked",
    EventType.COMPLAINED: "complained",
}
ARRIVED = frozenset({Status.SENT, Status.DELIVERED})


def find_reactions(project: Project, ids: Iterable[UUID]) -> Mapping[UUID, str]:
    """The recipients' latest reaction to each of the project's emails that has one."""
    # Not the visits of scanners, as in the statistics.
    is_reaction = Q(type=EventType.COMPLAINED) | Q(type__in=list(REACTIONS), data__actor__in=list(SHOWN))
    events = Event.objects.filter(is_reaction, project_id=project.pk, message_id__in=list(ids)).order_by("serial")
    return {message: REACTIONS[type_] for message, type_ in events.values_list("message_id", "type")}


def name_last_event(message: Message, reaction: str | None) -> str:
    if message.status_reason == StatusReason.SUPPRESSED:
        return "suppressed"
    return reaction if reaction and message.status in ARRIVED else LAST_EVENTS[message.status]


def show_row(message: Message, reaction: str | None) -> dict[str, Any]:
    """An email in a list."""
    row = ROW.to_representation(message)
    return {
        "id": row["id"],
        "message_id": row["message_id"],
        "to": row["to"],
        "from": row["from_"],
        "created_at": row["created_at"],
        "subject": row["subject"],
        "bcc": row["bcc"] or None,
        "cc": row["cc"] or None,
        "reply_to": row["reply_to"] or None,
        "last_event": name_last_event(message, reaction),
        "scheduled_at": row["scheduled_at"],
    }


def show_email(message: Message, reaction: str | None) -> dict[str, Any]:
    """One email with its bodies and tags."""
    return {
        "object": "email",
        **show_row(message, reaction),
        "html": message.content.html or None,
        "text": message.content.text or None,
        "tags": [{"name": name, "value": value} for name, value in message.metadata.items()],
    }


def show_id(message: Message) -> dict[str, str]:
    """The response to a change."""
    return {"object": "email", "id": str(message.pk)}
