"""What beat runs of tracking."""

from datetime import timedelta

import structlog
from celery import shared_task

from tracking.stats.aggregation import aggregate_all

log = structlog.get_logger(__name__)

# Less than the interval: the worker has other work by the clock.
AGGREGATION_TIME = timedelta(seconds=2)


@shared_task(name="tracking.fold_stats")
def fold_stats() -> None:
    """Count what is new for the statistics."""
    if count := aggregate_all(AGGREGATION_TIME):
        log.debug("stats_folded", count=count)


SCHEDULE = ((fold_stats, timedelta(seconds=5)),)
