"""Writing to the event log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from tracking.models import Event, EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened, before it is an event. `recipient_id` is None for what concerns the whole message."""

    project_id: UUID
    message_id: UUID
    type: EventType
    recipient_id: UUID | None = None
    address: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def record(facts: Sequence[Fact]) -> list[Event]:
    """Append `facts` to the log, in the caller's transaction, which also changed what they tell of."""
    assert connection.in_atomic_block, "an event is written with its cause or not at all"
    now = timezone.now()
    return Event.objects.bulk_create(
        Event(
            project_id=fact.project_id,
            message_id=fact.message_id,
            recipient_id=fact.recipient_id,
            address=fact.address,
            type=fact.type,
            data=fact.data,
            occurred_at=now,
        )
        for fact in facts
    )
