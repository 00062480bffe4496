"""Partitions the attempts by the month of their recipient; those that there are become the first partition."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from ledger.partitioning import partition_by_month
from ledger.partitions import MonthlyTable

# By recipient, so that a recipient's attempts lie together and their number stays unique. They are rewritten soon after
# they are born, as 0001 says.
ATTEMPTS = MonthlyTable(
    name="mail_attempt",
    key="recipient_id",
    storage={
        "fillfactor": "50",
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_analyze_scale_factor": "0.05",
    },
)
# A fifth of a large table, the default, is a million dead rows in the way of every claim.
VACUUM_OFTEN = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05"


def partition_attempts(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    partition_by_month(editor, ATTEMPTS)


class Migration(migrations.Migration):
    dependencies = [("mail", "0061_guard")]
    operations = [
        migrations.RunPython(partition_attempts, elidable=False),
        migrations.RunSQL(
            f"ALTER TABLE mail_recipient SET ({VACUUM_OFTEN}); ALTER TABLE mail_message SET ({VACUUM_OFTEN});",
            migrations.RunSQL.noop,
        ),
    ]
