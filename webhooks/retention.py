"""Purge old deliveries from the log."""

from django.conf import settings
from django.utils import timezone

from common.ids import least_id_at
from ledger.sql import execute
from webhooks.models import DeliveryStatus, EndpointStatus

BATCH = 5_000

# Ids are in the order of age. Pending deliveries of existing endpoints are kept, as they are still queued.
_PURGE = """
DELETE FROM webhooks_webhookdelivery d WHERE d.id IN (
    SELECT old.id FROM webhooks_webhookdelivery old
    WHERE old.id < %s AND (old.status <> %s OR NOT EXISTS (
        SELECT 1 FROM webhooks_endpoint e WHERE e.id = old.endpoint_id AND e.status = %s))
    ORDER BY old.id LIMIT %s)
"""


def purge() -> int:
    """Delete deliveries older than settings.WEBHOOK_KEEP_TIME, in batches; the result is the number of rows."""
    oldest = least_id_at(timezone.now() - settings.WEBHOOK_KEEP_TIME)
    count = 0
    while removed := execute(_PURGE, [oldest, DeliveryStatus.PENDING, EndpointStatus.ENABLED, BATCH]):
        count += removed
    return count
