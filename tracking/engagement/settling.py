"""Settles the labels of visits, some time after each, by an event of its own. The first event never changes."""

import time
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from common.ids import least_id_at
from common.times import format_time
from ledger.sql import execute, fetch
from tracking.engagement.bot_detection import Label
from tracking.engagement.surroundings import VisitRow, describe_visits, label_row
from tracking.engagement.user_agents import Actor
from tracking.events import Fact, record_facts
from tracking.message_tables import MESSAGES
from tracking.models import EventType

BATCH = 200
# Settled visits are signals for later ones for so long.
KEPT = timedelta(hours=2)
MAX_PURGED = 5_000

# Other workers skip the rows of this transaction. A worker that dies leaves them due. A deleted message gets no event.
_DUE = f"""
SELECT id, project_id, message_id, recipient_id, is_click, link, method, user_agent, purpose, ip, network, visited_at,
       address, url, actor, actor_reason, is_fixed, EXISTS (SELECT 1 FROM {MESSAGES} m WHERE m.id = v.message_id)
FROM tracking_visit v WHERE due_at <= now() ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - built from constants
# The settled actor is a signal for the visits that are settled later.
_SETTLED = """
UPDATE tracking_visit v SET due_at = NULL, actor = s.actor, actor_reason = s.reason
FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS s(id, actor, reason) WHERE v.id = s.id
"""
_PURGE = """
DELETE FROM tracking_visit WHERE id IN (
    SELECT id FROM tracking_visit WHERE id < %s AND due_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
"""


class DueVisit(NamedTuple):
    """A due visit, with what its event needs beside the label."""

    row: VisitRow
    address: str
    url: str
    first: Label
    is_fixed: bool
    has_message: bool


def settle_due(limit: timedelta, batch: int = BATCH) -> int:
    """Settle due visits in batches, for about `limit`. Returns their number."""
    until = time.monotonic() + limit.total_seconds()
    count = 0
    while done := settle_batch(batch):
        count += done
        if done < batch or time.monotonic() >= until:
            break
    return count


def settle_batch(batch: int = BATCH) -> int:
    """Settle at most `batch` due visits, each once, in one transaction. Returns their number."""
    with transaction.atomic():
        due = [read_due(columns) for columns in fetch(_DUE, [batch])]
        if not due:
            return 0
        described = describe_visits([visit.row for visit in due])
        labels = [visit.first if visit.is_fixed else label_row(described[visit.row.id]) for visit in due]
        settled = zip(due, labels, strict=True)
        record_facts([build_fact(visit, label) for visit, label in settled if visit.has_message])
        actors, reasons = [label.actor.value for label in labels], [label.reason for label in labels]
        execute(_SETTLED, [[visit.row.id for visit in due], actors, reasons])
    return len(due)


def read_due(columns: tuple[Any, ...]) -> DueVisit:
    names = VisitRow.__dataclass_fields__
    row = VisitRow(**dict(zip(names, columns, strict=False)))
    address, url, actor, reason, is_fixed, has_message = columns[len(names) :]
    return DueVisit(row, address, url, Label(Actor(actor), reason), is_fixed, has_message)


def build_fact(visit: DueVisit, label: Label) -> Fact:
    """The event of a settled label. `event_id` names the visit's first event."""
    row = visit.row
    link = {} if row.link is None else {"link": str(row.link)}
    return Fact(
        project_id=row.project_id,
        message_id=row.message_id,
        recipient_id=row.recipient_id,
        address=visit.address,
        type=EventType.CLICKED_SETTLED if row.is_click else EventType.OPENED_SETTLED,
        data={
            "event_id": str(row.id),
            "visited_at": format_time(row.visited_at),
            "actor": label.actor,
            "actor_reason": label.reason,
            "provisional_actor": visit.first.actor,
            **({"url": visit.url, **link} if row.is_click else {}),
        },
    )


def purge_settled() -> int:
    """Delete settled visits that are too old to be signals, some at a time. Returns their number."""
    before: UUID = least_id_at(timezone.now() - KEPT)
    return execute(_PURGE, [before, MAX_PURGED])
