"""The periodic tasks of tracking."""

from datetime import timedelta

import structlog
from celery import shared_task

from tracking.engagement.settling import purge_settled, settle_due
from tracking.stats.aggregation import aggregate_all, complete_days
from tracking.suppressions.wave_decisions import expire_waves, purge_counts

log = structlog.get_logger(__name__)

# Less than the interval, because the worker has other periodic tasks.
AGGREGATION_TIME = timedelta(seconds=2)
SETTLING_TIME = timedelta(seconds=2)
DAYS_TIME = timedelta(seconds=1)


@shared_task(name="tracking.fold_stats")
def fold_stats() -> None:
    """Aggregate new events into the statistics."""
    if count := aggregate_all(AGGREGATION_TIME):
        log.debug("stats_folded", count=count)
    if count := complete_days(DAYS_TIME):
        log.info("stats_days_completed", count=count)


@shared_task(name="tracking.settle_visits")
def settle_visits() -> None:
    """Settle the labels of opens and clicks that are due."""
    if count := settle_due(SETTLING_TIME):
        log.debug("visits_settled", count=count)


@shared_task(name="tracking.purge_visits")
def purge_visits() -> None:
    """Delete visits that were settled long ago."""
    if count := purge_settled():
        log.info("visits_purged", count=count)


@shared_task(name="tracking.close_waves")
def close_waves() -> None:
    """Drop held suppressions that nobody has decided on, and forget old counts of refusals."""
    if count := expire_waves():
        log.info("held_suppressions_expired", count=count)
    purge_counts()


SCHEDULE = (
    (settle_visits, timedelta(seconds=10)),
    (fold_stats, timedelta(seconds=10)),
    (close_waves, timedelta(minutes=1)),
    (purge_visits, timedelta(minutes=10)),
)
