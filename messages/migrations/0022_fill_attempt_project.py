"""Names the project of the attempts of earlier releases, in small transactions while other programs work."""

from django.db import migrations

BATCH = 500
NIL = "00000000-0000-0000-0000-000000000000"
# From recipient to recipient along the primary key.
FILL = """
WITH batch AS MATERIALIZED (SELECT id, project_id FROM mail_recipient WHERE id > %s ORDER BY id LIMIT %s), filled AS (
    UPDATE mail_attempt a SET project_id = batch.project_id FROM batch
    WHERE a.recipient_id = batch.id AND a.project_id IS NULL
)
SELECT id FROM batch ORDER BY id DESC LIMIT 1
"""


def name_projects(_apps, schema_editor):
    """Fill all attempts, those of BATCH recipients at a time. It may be interrupted and run again."""
    with schema_editor.connection.cursor() as cursor:
        last = NIL
        while last:
            cursor.execute(FILL, [last, BATCH])
            row = cursor.fetchone()
            last = row and row[0]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("mail", "0021_attempt_project")]

    operations = [migrations.RunPython(name_projects, migrations.RunPython.noop, elidable=True)]
