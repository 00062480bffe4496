"""Partitions the request log by month."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from ledger.partitioning import partition_by_month
from ledger.partitions import MonthlyTable

REQUESTS = MonthlyTable(
    name="accounts_requestentry",
    key="id",
    storage={"autovacuum_vacuum_insert_scale_factor": "0.05", "autovacuum_analyze_scale_factor": "0.05"},
)


def partition_requests(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    partition_by_month(editor, REQUESTS)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0131_request_log")]
    operations = [migrations.RunPython(partition_requests, elidable=False)]
