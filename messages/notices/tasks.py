"""The periodic tasks for notices and invitations. They accept mail, which imports `messages.tasks`, hence a
module of their own.
"""

from datetime import timedelta

import structlog
from celery import shared_task

from messages.notices.invitations import mail_invitations
from messages.notices.mail import mail_notices

log = structlog.get_logger(__name__)


@shared_task(name="mail.mail_notices")
def mail_new_notices() -> None:
    """Mail new notices to the contacts of their projects."""
    if count := mail_notices():
        log.info("notices_mailed", count=count)


@shared_task(name="mail.mail_invitations")
def mail_new_invitations() -> None:
    """Mail new invitations, and hide the links of those on their way."""
    if count := mail_invitations():
        log.info("invitations_mailed", count=count)


SCHEDULE = ((mail_new_notices, timedelta(seconds=30)), (mail_new_invitations, timedelta(seconds=20)))
