"""Writes a message's events to tracking's event log when the state of its recipients changes."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from delivery.judging.terms import About, Reason
from messages.states import Status
from messages.transitions import AppliedTransition
from tracking.events import Fact, record_facts
from tracking.models import EventType

# The event for each state that a recipient reaches. `queued` and `scheduled` occur once per message, and so does
# `cancelled`, but for a recipient that is cancelled without the others.
STATUS_EVENTS = {
    Status.SENT: EventType.SENT,
    Status.DELIVERING: EventType.DELIVERING,
    Status.DELIVERED: EventType.DELIVERED,
    Status.BOUNCED: EventType.BOUNCED,
    Status.FAILED: EventType.FAILED,
    Status.SUPPRESSED: EventType.SUPPRESSED,
    Status.CANCELLED: EventType.CANCELLED,
}


def record_status_events(
    applied: Iterable[AppliedTransition], data: Mapping[UUID, dict[str, Any]] | None = None
) -> None:
    """Write one event for each recipient that reached a new state; `data` holds event data by recipient id."""
    data = data or {}
    record_facts(
        [
            Fact(
                project_id=row.project_id,
                message_id=row.message_id,
                recipient_id=row.recipient_id,
                address=row.address,
                type=STATUS_EVENTS[row.status],
                data=data.get(row.recipient_id, {}),
            )
            for row in applied
        ]
    )


def describe_judgement(reason: Reason | None, about: About | None, *, is_suppressed: bool | None) -> dict[str, Any]:
    """The judgement of a refusal as event data. `is_suppressed` is None for what is no bounce."""
    told = {"reason": reason, "about": about, "suppressed": is_suppressed}
    return {name: value for name, value in told.items() if value is not None}


def record_message_events(applied: Iterable[AppliedTransition], type_: EventType) -> None:
    """Write one event of `type_` for each message among `applied`."""
    projects = {row.message_id: row.project_id for row in applied}
    record_facts([Fact(project_id=project, message_id=message, type=type_) for message, project in projects.items()])
