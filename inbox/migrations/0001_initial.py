import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models

import common.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("mail_from", models.TextField(blank=True, help_text="The envelope's sender; empty for `<>`.")),
                (
                    "rcpt_to",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        help_text="The envelope's recipients, as given.",
                        size=None,
                    ),
                ),
                (
                    "rcpt_folded",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        help_text="The recipients in lower case, for `?to=`.",
                        size=None,
                    ),
                ),
                ("raw", models.BinaryField(help_text="The message exactly as received, dots unstuffed.")),
                ("header_from", models.TextField(blank=True)),
                ("header_to", models.TextField(blank=True)),
                ("subject", models.TextField(blank=True)),
                (
                    "search",
                    models.TextField(blank=True, help_text="Envelope and headers shown in the list, case folded."),
                ),
                ("size", models.PositiveIntegerField(help_text="Length of `raw` in bytes.")),
                ("received_at", models.DateTimeField()),
                ("remote_host", models.TextField(blank=True, help_text="The client's IP address.")),
            ],
            options={
                "verbose_name_plural": "mail",
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fastupdate=False, fields=["rcpt_folded"], name="inbox_mail_rcpt"
                    )
                ],
            },
        ),
    ]
