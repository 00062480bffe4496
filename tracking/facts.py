"""What happened, before it is an event."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from webhooks.event_types import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened, before it is an event. `recipient_id` is None for what concerns the whole message."""

    project_id: UUID
    message_id: UUID
    type: EventType
    recipient_id: UUID | None = None
    address: str = ""
    data: dict[str, Any] = field(default_factory=dict)
