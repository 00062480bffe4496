"""Facts: the input of the event log."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from webhooks.event_types import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact to be written as an event. `recipient_id` is None if it concerns the whole message."""

    project_id: UUID
    message_id: UUID
    type: EventType
    recipient_id: UUID | None = None
    address: str = ""
    data: dict[str, Any] = field(default_factory=dict)
