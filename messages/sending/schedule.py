"""What becomes due by time alone: scheduled messages are released, and mail past its time is given up."""

from datetime import timedelta

from django.db import transaction

from ledger.sql import fetch
from messages.message_events import record_message_events, record_status_events
from messages.models import Recipient
from messages.states import OPEN, Status, StatusReason
from messages.transitions import lock_messages
from tracking.models import EventType

BATCH = 500

# SKIP LOCKED: a message that is being cancelled or rescheduled just now is looked at again at the next tick.
_RELEASABLE = """
SELECT id FROM mail_message WHERE status = %s AND scheduled_at <= now()
ORDER BY scheduled_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""


def release_due() -> int:
    """Queue every scheduled message whose time has come; returns how many. Harmless when run twice or side by side."""
    count = 0
    while batch := _release_batch():
        count += batch
    return count


def _release_batch() -> int:
    with transaction.atomic():
        ids = [row[0] for row in fetch(_RELEASABLE, [Status.SCHEDULED, BATCH])]
        if ids:
            applied = Recipient.objects.filter(message_id__in=ids).move_to(Status.QUEUED, wait=timedelta(0))
            record_message_events(applied, EventType.QUEUED)
    return len(ids)


_EXPIRED = """
SELECT id, message_id FROM mail_recipient
WHERE status = ANY(%s) AND expires_at <= now() AND lease_token IS NULL LIMIT %s
"""


def expire_due() -> int:
    """Fail every open recipient past its time; returns how many. What a worker holds just now is left to it."""
    count = 0
    while batch := _expire_batch():
        count += batch
    return count


def _expire_batch() -> int:
    with transaction.atomic():
        rows = fetch(_EXPIRED, [sorted(OPEN), BATCH])
        if not rows:
            return 0
        lock_messages(message_id for _, message_id in rows)
        expired = Recipient.objects.filter(pk__in=[pk for pk, _ in rows], lease_token=None)
        applied = expired.move_to(Status.FAILED, StatusReason.EXPIRED)
        record_status_events(applied, {row.recipient_id: {"reason": StatusReason.EXPIRED} for row in applied})
    return len(applied)
