"""Celery's way in to the daily recheck."""

from datetime import timedelta

import structlog
from celery import shared_task

from domains.verification import recheck_domains

log = structlog.get_logger(__name__)


@shared_task(name="domains.recheck_due")
def recheck_due() -> None:
    """Ask the DNS again about every domain whose next check has come."""
    statuses = recheck_domains()
    if statuses:
        log.info("domains_rechecked", **{str(status): count for status, count in statuses.items()})


# What beat runs, and how often; each domain says itself when it is due.
SCHEDULE = ((recheck_due, timedelta(minutes=5)),)
