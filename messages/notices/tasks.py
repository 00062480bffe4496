"""The periodic task for notices. It accepts mail, which imports `messages.tasks`, so it has its own module."""

from datetime import timedelta

import structlog
from celery import shared_task

from messages.notices.mail import mail_notices

log = structlog.get_logger(__name__)


@shared_task(name="mail.mail_notices")
def mail_new_notices() -> None:
    """Mail new notices to the contacts of their projects."""
    if count := mail_notices():
        log.info("notices_mailed", count=count)


SCHEDULE = ((mail_new_notices, timedelta(seconds=30)),)
