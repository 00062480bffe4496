"""Queues scheduled messages whose time has come. One that waits for a person's approval is left alone.

It waits for no row that another transaction has locked: such a message is looked at again at the next tick.
"""

from datetime import timedelta

from django.db import transaction

from ledger.batches import run_batches
from ledger.sql import Prepared, fetch_column
from messages.message_events import record_message_events
from messages.models import Recipient
from messages.states import Status, StatusReason
from tracking.models import EventType

BATCH = 500

# A message that is being cancelled or rescheduled is locked, and so is a recipient that is being erased.
_RELEASABLE = Prepared("""
WITH due AS MATERIALIZED (
    SELECT id FROM mail_message WHERE status = %s AND scheduled_at <= now() AND status_reason <> %s
    ORDER BY scheduled_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
), free AS MATERIALIZED (
    SELECT id FROM mail_recipient WHERE message_id IN (SELECT id FROM due) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT message_id FROM mail_recipient WHERE message_id IN (SELECT id FROM due)
GROUP BY message_id HAVING bool_and(id IN (SELECT id FROM free))
""")


def release_due() -> int:
    """Queue every scheduled message whose time has come, and return their number. Concurrent runs are safe."""
    return run_batches(_release_batch)


def _release_batch() -> int:
    with transaction.atomic():
        ids = fetch_column(_RELEASABLE, [Status.SCHEDULED, StatusReason.APPROVAL, BATCH])
        if ids:
            applied = Recipient.objects.filter(message_id__in=ids).move_to(Status.QUEUED, wait=timedelta(0))
            record_message_events(applied, EventType.QUEUED)
    return len(ids)
