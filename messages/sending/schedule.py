"""Time-based work: release scheduled messages, and fail expired recipients."""

from datetime import timedelta

from django.db import transaction

from ledger.sql import fetch, fetch_column
from messages.message_events import record_message_events, record_status_events
from messages.models import Recipient
from messages.states import OPEN, Status, StatusReason
from messages.transitions import lock_messages
from tracking.models import EventType

BATCH = 500

# SKIP LOCKED: a message that is being cancelled or rescheduled is checked again at the next tick.
_RELEASABLE = """
SELECT id FROM mail_message WHERE status = %s AND scheduled_at <= now()
ORDER BY scheduled_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""


def release_due() -> int:
    """Queue every scheduled message whose time has come, and return their number. Concurrent runs are safe."""
    count = 0
    while batch := _release_batch():
        count += batch
    return count


def _release_batch() -> int:
    with transaction.atomic():
        ids = fetch_column(_RELEASABLE, [Status.SCHEDULED, BATCH])
        if ids:
            applied = Recipient.objects.filter(message_id__in=ids).move_to(Status.QUEUED, wait=timedelta(0))
            record_message_events(applied, EventType.QUEUED)
    return len(ids)


_EXPIRED = """
SELECT id, message_id FROM mail_recipient
WHERE status = ANY(%s) AND expires_at <= now() AND lease_token IS NULL LIMIT %s
"""


def expire_due() -> int:
    """Fail every open recipient whose expiry time has passed, and return their number. Skips leased ones."""
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
