"""The log of requests of each project."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0130_request_scope")]

    operations = [
        migrations.CreateModel(
            name="RequestEntry",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("is_test", models.BooleanField()),
                ("at", models.DateTimeField()),
                ("method", models.TextField()),
                ("route", models.TextField()),
                ("status", models.SmallIntegerField()),
                ("code", models.TextField(blank=True)),
                ("duration_ms", models.FloatField()),
                ("key_prefix", models.TextField()),
                ("origin", models.TextField(blank=True)),
                ("request_id", models.TextField()),
                (
                    "email_ids",
                    django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "request entries",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["project", "-id"], name="request_list"),
                    models.Index(
                        condition=models.Q(("status__gte", 400)), fields=["project", "-id"], name="request_refused"
                    ),
                ],
            },
        ),
    ]
