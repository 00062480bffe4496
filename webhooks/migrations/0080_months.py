"""Partitions the webhook deliveries by month; those that there are become the first partition."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from ledger.partitioning import partition_by_month
from ledger.partitions import MonthlyTable

# A delivery is rewritten at each attempt: room on its page keeps the indexes as they are.
DELIVERIES = MonthlyTable(
    name="webhooks_webhookdelivery",
    key="id",
    storage={
        "fillfactor": "70",
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_analyze_scale_factor": "0.05",
    },
)


def partition_deliveries(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    partition_by_month(editor, DELIVERIES)


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0050_test_endpoints")]
    operations = [migrations.RunPython(partition_deliveries, elidable=False)]
