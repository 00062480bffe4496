"""Copies the bodies of stored messages into their own table, in small transactions while other programs work."""

from django.db import migrations

BATCH = 500
NIL = "00000000-0000-0000-0000-000000000000"

# From id to id along the primary key. A message that is deleted meanwhile takes its copy with it, or is skipped.
COPY = """
WITH batch AS MATERIALIZED (
    SELECT id, html, text, tracked_places FROM mail_message WHERE id > %s ORDER BY id LIMIT %s FOR KEY SHARE
), copied AS (
    INSERT INTO mail_content (message_id, html, text, tracked_places)
    SELECT id, html, text, tracked_places FROM batch ON CONFLICT DO NOTHING
)
SELECT id FROM batch ORDER BY id DESC LIMIT 1
"""


def copy_bodies(_apps, schema_editor):
    """Copy all bodies, BATCH messages at a time. It may be interrupted and run again."""
    with schema_editor.connection.cursor() as cursor:
        last = NIL
        while last:
            cursor.execute(COPY, [last, BATCH])
            row = cursor.fetchone()
            last = row and row[0]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("mail", "0002_content")]

    operations = [migrations.RunPython(copy_bodies, migrations.RunPython.noop)]
