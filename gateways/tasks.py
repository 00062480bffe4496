"""Celery tasks of the gateways: reading bounce mailboxes."""

from datetime import timedelta

from celery import shared_task

from gateways.bounce_mailboxes import read_due_mailboxes


@shared_task(name="gateways.read_bounce_mailboxes")
def read_bounce_mailboxes() -> None:
    """Read the bounce mailboxes that are due."""
    read_due_mailboxes()


# The schedule of beat; each mailbox's `next_attempt_at` says when it is due.
SCHEDULE = ((read_bounce_mailboxes, timedelta(seconds=20)),)
