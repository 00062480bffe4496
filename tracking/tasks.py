"""The periodic tasks of tracking."""

from datetime import timedelta

import structlog
from celery import shared_task

from tracking.stats.aggregation import aggregate_all

log = structlog.get_logger(__name__)

# Less than the interval, because the worker has other periodic tasks.
AGGREGATION_TIME = timedelta(seconds=2)


@shared_task(name="tracking.fold_stats")
def fold_stats() -> None:
    """Aggregate new events into the statistics."""
    if count := aggregate_all(AGGREGATION_TIME):
        log.debug("stats_folded", count=count)


SCHEDULE = ((fold_stats, timedelta(seconds=5)),)
