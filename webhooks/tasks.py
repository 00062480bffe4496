"""Celery's way in. A task holds no state: it posts what the rows say is due, and may be lost or doubled freely."""

from datetime import timedelta

import structlog
from celery import shared_task

from ledger.doorbell import doorbell
from webhooks.endpoint_health import end_stranded
from webhooks.posting.claims import is_due, sweep_lost_leases
from webhooks.posting.loop import PostingLoop
from webhooks.retention import purge

log = structlog.get_logger(__name__)

# A queue of its own, and so a worker: slow endpoints hold up no mail.
LANE = "webhooks"


@shared_task(name="webhooks.post_due")
def post_due(lane: str) -> None:
    """Post what is due, and what becomes due meanwhile."""
    doorbell.answer(post_due, lane)
    PostingLoop().run()
    if is_due():
        ring()


def ring() -> None:
    """Wake the worker. Called after the commit that made something due."""
    doorbell.ring(post_due, LANE)


@shared_task(name="webhooks.tick")
def tick() -> None:
    """Find what a dead worker held or a disabled endpoint left, and ring when anything is due.

    Beat calls it, and each worker's own timer, so that neither of them is needed for webhooks to go out.
    """
    sweep_lost_leases()
    end_stranded()
    if is_due():
        ring()


@shared_task(name="webhooks.purge_deliveries")
def purge_deliveries() -> None:
    """Forget old posts."""
    log.info("webhook_deliveries_purged", count=purge())


# What beat runs, and how often. Each is harmless when run twice, late, or never by beat at all.
SCHEDULE = (
    (tick, timedelta(seconds=5)),
    (purge_deliveries, timedelta(hours=1)),
)
