"""The settlement of uncertain attempts: a person decides what nobody knows."""

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from common.errors import ConflictError
from messages.available_actions import waits_for_person
from messages.message_events import record_status_events
from messages.models import Message, Recipient
from messages.states import Lane, Status, StatusReason
from messages.tasks import ring
from messages.transitions import Transition, apply_transitions, lock_messages


class NotUncertainError(ConflictError):
    """No recipient of this email has an uncertain attempt that waits for a settlement."""

    code = "not_uncertain"


class Settlement(StrEnum):
    """A person's decision about an attempt with an unknown outcome."""

    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"


# The state, reason and wait that a settlement gives a recipient.
SETTLEMENTS: dict[Settlement, tuple[Status, StatusReason, timedelta | None]] = {
    Settlement.SENT: (Status.SENT, StatusReason.SETTLED, None),
    Settlement.RETRY: (Status.DELIVERING, StatusReason.SETTLED, timedelta(0)),
    Settlement.FAILED: (Status.FAILED, StatusReason.SETTLED, None),
}


def settle(message: Message, settlement: Settlement) -> Message:
    """Apply a person's decision to the message's uncertain attempts. Raises NotUncertainError when it has none."""
    if not settle_many([message.pk], settlement):
        raise NotUncertainError
    message.refresh_from_db()
    return message


def settle_many(message_ids: Collection[UUID], settlement: Settlement) -> set[UUID]:
    """Settle the uncertain attempts of many messages in one transaction. Returns the ids of those that had some."""
    with transaction.atomic():
        lock_messages(message_ids)
        rows = [row for row in select_uncertain(message_ids) if waits_for_person(row)]
        status, reason, wait = SETTLEMENTS[settlement]
        applied = apply_transitions(
            [
                Transition(recipient_id=row.pk, message_id=row.message_id, status=status, reason=reason, wait=wait)
                for row in rows
            ]
        )
        record_status_events(
            [row for row in applied if row.status is not Status.DELIVERING],
            {row.recipient_id: {"reason": StatusReason.SETTLED, "as": settlement} for row in applied},
        )
        settled = {row.message_id for row in applied}
        if settlement is Settlement.RETRY:
            for lane in {Lane(row.lane) for row in rows if row.message_id in settled}:
                transaction.on_commit(lambda lane=lane: ring(lane))  # type: ignore[misc]
    return settled


def select_uncertain(message_ids: Collection[UUID]) -> QuerySet[Recipient]:
    return Recipient.objects.filter(
        message__in=message_ids, status=Status.DELIVERING, status_reason=StatusReason.UNCERTAIN, lease_token=None
    )


def list_uncertain(project_id: UUID) -> list[UUID]:
    """The ids of a project's messages with an attempt that waits for a person, the newest first."""
    waiting = Recipient.objects.filter(
        project=project_id,
        status=Status.DELIVERING,
        status_reason=StatusReason.UNCERTAIN,
        lease_token=None,
        next_attempt_at=None,
    )
    return list(waiting.order_by("-message_id").values_list("message_id", flat=True).distinct())
