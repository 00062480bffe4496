"""Writing to the event log."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from common.ids import new_id
from ledger.sql import as_rows, execute
from tracking.models import EventType
from tracking.positions import POSITION


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened, before it is an event. `recipient_id` is None for what concerns the whole message."""

    project_id: UUID
    message_id: UUID
    type: EventType
    recipient_id: UUID | None = None
    address: str = ""
    data: dict[str, Any] = field(default_factory=dict)


# Its place in the feed is worked out once for the statement: see `tracking.positions`.
_INSERT = f"""
INSERT INTO tracking_event (id, project_id, message_id, recipient_id, address, type, data, occurred_at, position)
SELECT v.*, now(), (SELECT {POSITION})
FROM jsonb_to_recordset(%s::jsonb) AS v(
    id uuid, project_id uuid, message_id uuid, recipient_id uuid, address text, type text, data jsonb
)
"""  # noqa: S608 - built from a constant


def record(facts: Sequence[Fact]) -> None:
    """Append `facts` to the log, in the caller's transaction, which also changed what they tell of.

    Who changes a message's state has locked its row before: so the feed has its events in the order of their causes.
    """
    if not facts:
        return
    assert connection.in_atomic_block, "an event is written with its cause or not at all"
    execute(_INSERT, [as_rows({"id": new_id(), **asdict(fact)} for fact in facts)])
