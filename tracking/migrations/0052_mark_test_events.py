"""Mark the events of test mail that earlier releases have written."""

from django.db import migrations

BATCH = 500
# Test messages by id, from one batch to the next, and their events: each statement is short.
MARK = """
WITH part AS (SELECT id FROM mail_message WHERE is_test AND id > %(after)s ORDER BY id LIMIT %(batch)s),
marked AS (UPDATE tracking_event e SET is_test = true FROM part WHERE e.message_id = part.id AND NOT e.is_test)
SELECT id FROM part ORDER BY id DESC LIMIT 1
"""


def mark_events(_apps, schema_editor):
    after = "00000000-0000-0000-0000-000000000000"
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(MARK, {"after": after, "batch": BATCH})
            if (row := cursor.fetchone()) is None:
                return
            after = row[0]


class Migration(migrations.Migration):
    # Each batch is a transaction of its own. A repetition does the rest.
    atomic = False
    dependencies = [("tracking", "0051_test_indexes")]
    operations = [migrations.RunPython(mark_events, migrations.RunPython.noop, elidable=True)]
