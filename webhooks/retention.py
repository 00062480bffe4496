"""Purge old deliveries from the log."""

from django.conf import settings
from django.utils import timezone

from common.ids import least_id_at
from ledger.partitions import MonthlyTable, drop_months
from ledger.sql import execute
from webhooks.models import DeliveryStatus, EndpointStatus, WebhookDelivery

BATCH = 5_000
# The deliveries by month. A month waits for those that are still queued.
DELIVERIES = MonthlyTable(
    name=WebhookDelivery._meta.db_table,
    key="id",
    storage={
        "fillfactor": "70",
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_analyze_scale_factor": "0.05",
    },
    needed=f"""EXISTS (
        SELECT 1 FROM PARTITION d JOIN webhooks_endpoint e ON e.id = d.endpoint_id
        WHERE d.status = '{DeliveryStatus.PENDING}' AND e.status = '{EndpointStatus.ENABLED}')""",  # noqa: S608 - constants
)

# Ids are in the order of age. Pending deliveries of existing endpoints are kept, as they are still queued.
_PURGE = """
DELETE FROM webhooks_webhookdelivery d WHERE d.id IN (
    SELECT old.id FROM webhooks_webhookdelivery old
    WHERE old.id < %s AND (old.status <> %s OR NOT EXISTS (
        SELECT 1 FROM webhooks_endpoint e WHERE e.id = old.endpoint_id AND e.status = %s))
    ORDER BY old.id LIMIT %s)
"""


def purge() -> int:
    """Delete deliveries older than settings.WEBHOOK_KEEP_TIME, in batches; the result is the number of rows.

    A whole month is dropped with its partition, and not counted.
    """
    before = timezone.now() - settings.WEBHOOK_KEEP_TIME
    drop_months(DELIVERIES, before)
    oldest = least_id_at(before)
    count = 0
    while removed := execute(_PURGE, [oldest, DeliveryStatus.PENDING, EndpointStatus.ENABLED, BATCH]):
        count += removed
    return count
