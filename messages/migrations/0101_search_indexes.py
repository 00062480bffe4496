from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import DatabaseError, migrations, models, transaction


class AddSearchIndex(AddIndexConcurrently):
    """Adds the index if the database has pg_trgm, or lets us create it. `prepare` makes it later where it is missing."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        try:
            with transaction.atomic(using=schema_editor.connection.alias):
                schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except DatabaseError:
            return
        super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    # Mail is accepted while the indexes are built. The new one is there before the old one goes.
    atomic = False
    dependencies = [("mail", "0100_searched_columns")]

    operations = [
        AddIndexConcurrently(
            "subject",
            models.Index(fields=["message"], name="subject_unfilled", condition=models.Q(recipients=None)),
        ),
        AddSearchIndex(
            "subject",
            GinIndex(
                fields=["text", "sender", "recipients", "tags", "filenames", "pairs"],
                opclasses=["gin_trgm_ops"] * 6,
                name="subject_searched",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            # It went with the extension where that is missing.
            [migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS subject_part")],
            [migrations.RemoveIndex("subject", "subject_part")],
        ),
        AddIndexConcurrently(
            "recipient",
            models.Index(
                fields=["project", "status_reason", "-message"],
                name="recipient_reason",
                condition=~models.Q(status_reason=""),
            ),
        ),
    ]
