"""The table for the bodies of messages; the next migrations fill it and take the bodies out of the messages' rows."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# LZ4 compresses a body in a tenth of the time of PostgreSQL's default. A server that was built without it keeps that.
COMPRESS = """
DO $$
BEGIN
    ALTER TABLE mail_content ALTER COLUMN html SET COMPRESSION lz4, ALTER COLUMN text SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'This server has no LZ4: bodies are compressed with pglz.';
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("mail", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Content",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="content",
                        serialize=False,
                        to="mail.message",
                    ),
                ),
                ("html", models.TextField(blank=True)),
                ("text", models.TextField(blank=True)),
                (
                    "tracked_places",
                    django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), null=True, size=None),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=~models.Q(html="") | ~models.Q(text=""), name="content_has_body")
                ],
            },
        ),
        migrations.RunSQL(COMPRESS, migrations.RunSQL.noop),
    ]
