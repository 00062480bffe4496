"""Takes the bodies out of the messages' rows, after those that were accepted since the copy have been copied too."""

from django.db import migrations

# The lock keeps an older program from adding a message between the copy and the end of its columns. Such a program then
# fails at each of its statements, and sends no mail without a body.
COPY_THE_REST = """
LOCK TABLE mail_message IN ACCESS EXCLUSIVE MODE;
INSERT INTO mail_content (message_id, html, text, tracked_places)
SELECT id, html, text, tracked_places FROM mail_message m
WHERE NOT EXISTS (SELECT 1 FROM mail_content c WHERE c.message_id = m.id);
SET CONSTRAINTS ALL IMMEDIATE
"""
COPY_BACK = """
UPDATE mail_message m SET html = c.html, text = c.text, tracked_places = c.tracked_places
FROM mail_content c WHERE c.message_id = m.id
"""


class Migration(migrations.Migration):
    dependencies = [("mail", "0003_fill_content")]

    operations = [
        migrations.RunSQL(COPY_THE_REST, migrations.RunSQL.noop),
        migrations.RemoveConstraint("message", "message_has_content"),
        migrations.RunSQL(migrations.RunSQL.noop, COPY_BACK),
        migrations.RemoveField("message", "html"),
        migrations.RemoveField("message", "text"),
        migrations.RemoveField("message", "tracked_places"),
    ]
