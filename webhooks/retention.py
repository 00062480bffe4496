"""Purges old deliveries from the log."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from accounts.lifetimes.retention import find_longest
from common.ids import least_id_at
from ledger.clock import database_time
from ledger.partitions import MonthlyTable, drop_months
from ledger.sql import execute, fetch_value
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
# The same for the endpoints of one project, each along its log.
_OLD = f"""
FROM webhooks_endpoint e, LATERAL (
    SELECT d.id FROM webhooks_webhookdelivery d
    WHERE d.endpoint_id = e.id AND d.id < %(end)s
      AND (d.status <> '{DeliveryStatus.PENDING}' OR e.status <> '{EndpointStatus.ENABLED}')
    ORDER BY d.id LIMIT %(limit)s
) old WHERE e.project_id = %(project)s
"""  # noqa: S608 - constants
_REMOVE = f"DELETE FROM webhooks_webhookdelivery WHERE id IN (SELECT old.id {_OLD} LIMIT %(limit)s)"  # noqa: S608
_COUNT = f"SELECT count(*) {_OLD}"


def purge() -> int:
    """Delete the deliveries that no project keeps any more, in batches; the result is the number of rows.

    A whole month is dropped with its partition, and not counted. This also takes what removed endpoints left;
    `remove_deliveries` takes the deliveries of projects that keep them for a shorter time.
    """
    days = find_longest("webhook_log")
    if days is None:
        return 0
    before = database_time() - timedelta(days=days)
    drop_months(DELIVERIES, before)
    oldest = least_id_at(before)
    count = 0
    while removed := execute(_PURGE, [oldest, DeliveryStatus.PENDING, EndpointStatus.ENABLED, BATCH]):
        count += removed
    return count


def remove_deliveries(project_id: UUID, before: datetime) -> Iterator[int]:
    """Delete a project's deliveries of before a time, in batches; yields their numbers."""
    values = {"project": project_id, "end": least_id_at(before), "limit": 1_000}
    while removed := execute(_REMOVE, values):
        yield removed


def count_deliveries(project_id: UUID, before: datetime) -> int:
    values = {"project": project_id, "end": least_id_at(before), "limit": None}
    return int(fetch_value(_COUNT, values))
