"""Applies pauses to the mail in the queue, in batches: at a pause's start and end, and at each tick for the rest.

Mail that becomes due later is parked when a worker claims it, see `sending.held_back`. So nothing here looks for mail
again and again.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from ledger.batches import run_batches
from ledger.sql import execute, fetch_value
from messages.message_events import record_status_events
from messages.pause_models import Pause
from messages.pausing import caps, names
from messages.pausing.matching import lock_droppable, lock_queued
from messages.pausing.parking import BATCH, list_parkers, park, unpark
from messages.pausing.permits import count_permits
from messages.states import Status, StatusReason
from messages.transitions import Transition, apply_transitions

DROP_BATCH = 500
# Somebody has resumed the provider itself.
_END_PROVIDER_PAUSES = """
UPDATE mail_pause SET ended_at = now()
WHERE ended_at IS NULL AND kind = 'provider'
  AND NOT EXISTS (SELECT FROM providers_provider WHERE id::text = mail_pause.value AND is_paused)
"""
DROPPED_REPLY = "It was dropped while it was paused."


def settle_pauses() -> int:
    """Continue what pauses have begun, and let go what nothing holds any more. Returns the number of recipients."""
    unfinished: QuerySet[Pause] = Pause.objects.filter(ended_at=None).exclude(kind="provider")
    count = sum(
        settle_pause(pause)
        for pause in unfinished
        if pause.applied_at is None or pause.dropping_at is not None or pause.per_minute is not None
    )
    execute(_END_PROVIDER_PAUSES)
    parkers = set(list_parkers())
    if not parkers:
        return count
    count += caps.release_caps(parkers)
    active = {names.of_pause(pk) for pk in Pause.objects.filter(ended_at=None).values_list("pk", flat=True)}
    for by in sorted(parkers - active - caps.list_holders()):
        count += run_batches(lambda by=by: unpark(by))  # type: ignore[misc]
    return count


def settle_pause(pause: Pause, time: timedelta = timedelta(seconds=2)) -> int:
    """Do the next step of one pause, for a limited time. Returns the number of recipients."""
    seconds = time.total_seconds()
    if pause.ended_at is not None:
        return run_batches(lambda: unpark(names.of_pause(pause.pk)), seconds)
    if pause.dropping_at is not None:
        return drop(pause, seconds)
    count = 0
    if pause.applied_at is None:
        count = run_batches(lambda: park_queued(pause), seconds)
    if pause.per_minute is not None and (permits := count_permits(pause.pk)):
        count += unpark(names.of_pause(pause.pk), permits)
    return count


def park_queued(pause: Pause) -> int:
    with transaction.atomic():
        ids = lock_queued(pause.pk, pause.project_id, BATCH)
        if ids:
            return park(ids, names.of_pause(pause.pk), StatusReason.PAUSED)
        # Rows that somebody has locked are parked when they are claimed.
        Pause.objects.filter(pk=pause.pk, applied_at=None).update(applied_at=Now())
    return 0


def drop(pause: Pause, seconds: float) -> int:
    """Fail the pause's mail, and end the pause when none is left."""
    count = run_batches(lambda: drop_batch(pause), seconds)
    with transaction.atomic():
        if not lock_droppable(pause.pk, pause.project_id, 1) and not is_any_locked(pause):
            Pause.objects.filter(pk=pause.pk, ended_at=None).update(ended_at=Now())
    if Pause.objects.filter(pk=pause.pk).exclude(ended_at=None).exists():
        run_batches(lambda: unpark(names.of_pause(pause.pk)), seconds)
    return count


def is_any_locked(pause: Pause) -> bool:
    """Whether a parked recipient is left from before the drop: somebody held it just now."""
    return bool(
        fetch_value(
            "SELECT EXISTS (SELECT FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id"
            " WHERE r.parked_by = %s AND r.status = %s AND m.created_at <= %s)",
            [names.of_pause(pause.pk), Status.QUEUED, pause.dropping_at],
        )
    )


def drop_batch(pause: Pause) -> int:
    with transaction.atomic():
        rows = lock_droppable(pause.pk, pause.project_id, DROP_BATCH)
        applied = apply_transitions(
            [
                Transition(
                    recipient_id=row.recipient_id,
                    message_id=row.message_id,
                    status=Status.FAILED,
                    reason=StatusReason.DROPPED,
                    last_reply=DROPPED_REPLY,
                )
                for row in rows
            ]
        )
        record_status_events(applied, {row.recipient_id: {"reason": StatusReason.DROPPED} for row in applied})
    return len(applied)
