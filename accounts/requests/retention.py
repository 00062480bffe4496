"""Removes old entries of the request log."""

from django.conf import settings
from django.utils import timezone

from accounts.requests.models import RequestEntry
from common.ids import least_id_at
from ledger.partitions import MonthlyTable, drop_months
from ledger.sql import execute

BATCH = 5_000
REQUESTS = MonthlyTable(
    name=RequestEntry._meta.db_table,
    key="id",
    storage={"autovacuum_vacuum_insert_scale_factor": "0.05", "autovacuum_analyze_scale_factor": "0.05"},
)
# The least id of a time `before`, in SQL: the order of ids is that of times.
FIRST_ID = (
    "(lpad(to_hex(floor(extract(epoch FROM %(before)s::timestamptz) * 1000)::bigint), 12, '0')"
    " || '00000000000000000000')::uuid"
)
_PURGE = """
DELETE FROM accounts_requestentry WHERE id IN (
    SELECT id FROM accounts_requestentry WHERE id < %s ORDER BY id LIMIT %s)
"""


def purge_requests() -> int:
    """Delete entries older than settings.REQUEST_KEEP_TIME, in batches; the result is the number of rows.

    A whole month is dropped with its partition, and not counted.
    """
    before = timezone.now() - settings.REQUEST_KEEP_TIME
    drop_months(REQUESTS, before)
    count = 0
    while removed := execute(_PURGE, [least_id_at(before), BATCH]):
        count += removed
    return count
