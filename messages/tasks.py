"""Celery's way in. A task holds no state: it looks at the rows, does what is due, and may be lost or doubled freely."""

from datetime import timedelta

import structlog
from celery import shared_task

from accounts import idempotency
from ledger.doorbell import doorbell
from messages import attachments
from messages.feedback import recording
from messages.sending import lost_leases, schedule
from messages.sending.claims import is_due
from messages.sending.loop import SendingLoop
from messages.states import Lane

log = structlog.get_logger(__name__)


@shared_task(name="mail.deliver_due")
def deliver_due(lane: str) -> None:
    """Send what is due in a lane for about two seconds; ring for more."""
    doorbell.answer(deliver_due, lane)
    schedule.release_due()
    has_claimed = SendingLoop(Lane(lane), lambda: ring(Lane(lane))).run()
    # What nobody can send now is looked at again by the clock; ringing for it would go round and round.
    if has_claimed and is_due(Lane(lane)):
        ring(Lane(lane))


def ring(lane: Lane) -> None:
    """Wake a worker for a lane. Called after the commit that made something due."""
    doorbell.ring(deliver_due, lane)


@shared_task(name="mail.tick")
def tick() -> None:
    """All that time alone makes due, and a ring for every lane in which something waits.

    Beat calls it, and each worker's own timer, so that neither of them is needed for mail to go out.
    """
    schedule.release_due()
    lost_leases.sweep_lost_leases()
    recording.apply_due()
    schedule.expire_due()
    for lane in Lane:
        if is_due(lane):
            ring(lane)


@shared_task(name="mail.purge_idempotency_keys")
def purge_idempotency_keys() -> None:
    """Forget requests that may no longer be replayed."""
    log.info("idempotency_keys_purged", count=idempotency.purge_keys())


@shared_task(name="mail.sweep_attachments")
def sweep_attachments() -> None:
    """Remove attachments' bytes that no message names."""
    log.info("attachments_swept", count=attachments.sweep_attachments())


@shared_task(name="mail.purge_feedback")
def purge_feedback() -> None:
    """Forget what was fed back so long ago that nobody says it again."""
    log.info("feedback_purged", count=recording.purge())


# What beat runs, and how often. Each is harmless when run twice, late, or never by beat at all.
SCHEDULE = (
    (tick, timedelta(seconds=5)),
    (purge_idempotency_keys, timedelta(hours=1)),
    (sweep_attachments, timedelta(hours=1)),
    (purge_feedback, timedelta(hours=1)),
)
