"""Celery tasks of webhooks. A task holds no state and may be lost or run twice: the rows say what is due."""

from datetime import timedelta

import structlog
from celery import shared_task

from ledger.doorbell import doorbell
from webhooks.endpoint_health import end_stranded
from webhooks.posting.claims import find_work, is_due, sweep_lost_leases
from webhooks.posting.loop import PostingLoop
from webhooks.retention import purge

log = structlog.get_logger(__name__)

# Webhooks have a queue and a worker of their own, so that slow endpoints do not delay mail.
LANE = "webhooks"


@shared_task(name="webhooks.post_due")
def post_due(lane: str) -> None:
    """Post due deliveries, including those that become due during the run."""
    doorbell.answer(post_due, lane)
    PostingLoop().run()
    if is_due():
        ring()


def ring() -> None:
    """Wake the worker. Call it after the commit that made a delivery due."""
    doorbell.ring(post_due, LANE)


@shared_task(name="webhooks.tick")
def tick() -> None:
    """Release expired leases, fail the deliveries of disabled endpoints, and wake the worker when any is due.

    Beat and each worker's own timer both call it, so that webhooks go out when either of them fails.
    """
    work = find_work()
    if work.lost:
        sweep_lost_leases()
    if work.stranded:
        end_stranded()
    if work.lost or work.due:
        ring()


@shared_task(name="webhooks.purge_deliveries")
def purge_deliveries() -> None:
    """Purge old deliveries."""
    if count := purge():
        log.info("webhook_deliveries_purged", count=count)


# The schedule of beat. Each task is harmless when it runs twice or late.
SCHEDULE = (
    # In case that no timer works: those of the workers look each second.
    (tick, timedelta(seconds=30)),
    (purge_deliveries, timedelta(hours=1)),
)
