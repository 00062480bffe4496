"""The Celery tasks. A task holds no state: it processes the rows that are due, and may be lost or run twice."""

from contextlib import ExitStack
from datetime import timedelta

import structlog
from celery import shared_task

from accounts import idempotency
from ledger import cached_rows
from ledger.doorbell import doorbell
from messages import attachments
from messages.feedback import recording
from messages.sending import expiry, lost_leases, schedule, senders
from messages.sending.loop import SendingLoop
from messages.sending.queue.waiting import is_due
from messages.states import Lane
from providers.unreadable import report_unreadable

log = structlog.get_logger(__name__)


@shared_task(name="mail.deliver_due")
def deliver_due(lane: str) -> None:
    """Send due recipients of a lane for about two seconds, and wake a worker again when more are due."""
    doorbell.answer(deliver_due, lane)
    schedule.release_due()
    has_claimed = SendingLoop(Lane(lane), lambda: ring(Lane(lane))).run()
    # Without a claim, the due mail has no usable provider now. The tick looks at it again; a ring here would loop.
    if has_claimed and is_due(Lane(lane)):
        ring(Lane(lane))


def ring(lane: Lane) -> None:
    """Wake a worker for a lane. Call it after the commit that made a recipient due."""
    doorbell.ring(deliver_due, lane)


@shared_task(name="mail.tick")
def tick() -> None:
    """Do all work that becomes due by time, and wake a worker for every lane with due recipients.

    Beat and each worker's own timer call it, so that mail goes out when one of the two fails. Each part works for some
    seconds at most, waits for no row that somebody else has locked, and does not depend on the others.
    """
    parts = (
        schedule.release_due,
        lost_leases.sweep_lost_leases,
        senders.settle_waiting_senders,
        ring_due,
        recording.apply_due,
        expiry.expire_due,
        report_unreadable,
    )
    with ExitStack() as stack:
        # The stack calls the last one first, and each even if another one has failed.
        for part in reversed(parts):
            stack.callback(part)


def ring_due() -> None:
    """Wake a worker for every lane with due recipients."""
    for lane in Lane:
        if is_due(lane):
            ring(lane)


@shared_task(name="mail.purge_idempotency_keys")
def purge_idempotency_keys() -> None:
    """Delete idempotency keys that have expired."""
    log.info("idempotency_keys_purged", count=idempotency.purge_keys())


@shared_task(name="mail.purge_settings_changes")
def purge_settings_changes() -> None:
    """Delete the notes of changes that every process knows."""
    log.info("settings_changes_purged", count=cached_rows.purge_changes())


@shared_task(name="mail.sweep_attachments")
def sweep_attachments() -> None:
    """Remove attachments' bytes that no message names."""
    log.info("attachments_swept", count=attachments.sweep_attachments())


@shared_task(name="mail.purge_feedback")
def purge_feedback() -> None:
    """Delete the keys of feedback that is too old to be repeated."""
    log.info("feedback_purged", count=recording.purge())


# The periodic tasks of beat with their intervals. Each is harmless when it runs twice or late.
SCHEDULE = (
    (tick, timedelta(seconds=5)),
    (purge_idempotency_keys, timedelta(hours=1)),
    (purge_settings_changes, timedelta(hours=1)),
    (sweep_attachments, timedelta(hours=1)),
    (purge_feedback, timedelta(hours=1)),
)
