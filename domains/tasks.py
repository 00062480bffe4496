"""Celery tasks of domains: the periodic check."""

from datetime import timedelta

import structlog
from celery import shared_task

from domains.verification import recheck_domains

log = structlog.get_logger(__name__)


@shared_task(name="domains.recheck_due")
def recheck_due() -> None:
    """Check every domain whose next check is due."""
    statuses = recheck_domains()
    if statuses:
        log.info("domains_rechecked", **{str(status): count for status, count in statuses.items()})


# The schedule of beat; each domain's `next_check_at` says when it is due.
SCHEDULE = ((recheck_due, timedelta(minutes=5)),)
