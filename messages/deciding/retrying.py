"""Attempts that a person brings forward."""

from datetime import timedelta

from django.db import transaction

from common.errors import ConflictError
from messages.available_actions import waits_for_retry
from messages.models import Message, Recipient
from messages.states import Lane, Status, StatusReason
from messages.tasks import ring
from messages.transitions import Transition, apply_transitions, lock_messages


class NotWaitingError(ConflictError):
    """No recipient of this email waits for the time of its next attempt."""

    code = "not_waiting"


def retry_now(message: Message) -> Message:
    """Make the next attempt of each waiting recipient due at once. Raises NotWaitingError when none waits."""
    with transaction.atomic():
        lock_messages([message.pk])
        rows = [row for row in Recipient.objects.filter(message=message) if waits_for_retry(row)]
        applied = apply_transitions(
            [
                Transition(
                    recipient_id=row.pk,
                    message_id=message.pk,
                    status=Status(row.status),
                    reason=StatusReason(row.status_reason),
                    wait=timedelta(0),
                    crash_count=row.crash_count,
                )
                for row in rows
            ]
        )
        if not applied:
            raise NotWaitingError
        transaction.on_commit(lambda: ring(Lane(message.priority)))
        message.refresh_from_db()
    return message
