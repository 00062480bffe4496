"""Ends mail that has not gone out: scheduled mail is cancelled, open mail fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from messages.message_events import record_message_events, record_status_events
from messages.models import Message
from messages.states import Status, StatusReason
from messages.transitions import AppliedTransition, Transition, apply_transitions, lock_messages
from tracking.models import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A recipient that is scheduled or open."""

    recipient_id: UUID
    message_id: UUID
    status: str
    is_leased: bool


def stop_pending(pending: Sequence[Pending], reason: StatusReason) -> list[AppliedTransition]:
    """End recipients in the caller's transaction, with their events, but for those that a worker has leased."""
    lock_messages(row.message_id for row in pending)
    applied = apply_transitions(
        [
            Transition(
                recipient_id=row.recipient_id,
                message_id=row.message_id,
                status=Status.CANCELLED if row.status == Status.SCHEDULED else Status.FAILED,
                reason=reason,
            )
            for row in pending
            if not row.is_leased
        ]
    )
    whole = find_cancelled([row.message_id for row in applied if row.status is Status.CANCELLED])
    record_message_events([row for row in applied if row.message_id in whole], EventType.CANCELLED)
    alone = [row for row in applied if row.message_id not in whole]
    record_status_events(alone, {row.recipient_id: {"reason": reason} for row in alone})
    return applied


def find_cancelled(ids: Sequence[UUID]) -> set[UUID]:
    """Those of the messages that are cancelled as a whole."""
    return set(Message.objects.filter(pk__in=ids, status=Status.CANCELLED).values_list("pk", flat=True))
