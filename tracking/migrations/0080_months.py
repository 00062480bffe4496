"""Partitions the event log by month; the events that there are become its first partition."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from ledger.partitioning import partition_by_month
from ledger.partitions import MonthlyTable

# Events are only inserted: a vacuum soon after freezes them while their pages are in memory.
EVENTS = MonthlyTable(
    name="tracking_event",
    key="id",
    storage={"autovacuum_vacuum_insert_scale_factor": "0.05", "autovacuum_analyze_scale_factor": "0.05"},
)


def partition_events(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    partition_by_month(editor, EVENTS)


class Migration(migrations.Migration):
    dependencies = [("tracking", "0070_bounces")]
    operations = [migrations.RunPython(partition_events, elidable=False)]
