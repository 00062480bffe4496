import django.db.models.deletion
from django.db import migrations, models

import common.fields
import common.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_projects_and_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="Provider",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("kind", models.TextField(choices=[("smtp", "Smtp"), ("inbox", "Inbox"), ("simulator", "Simulator")])),
                ("url", common.fields.EncryptedTextField(blank=True)),
                ("priority", models.SmallIntegerField(default=0)),
                ("weight", models.SmallIntegerField(default=1)),
                ("is_enabled", models.BooleanField(default=True)),
                ("paused_until", models.DateTimeField(null=True)),
                ("pause_reason", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="providers",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "name"), name="provider_name_once", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["smtp", "inbox", "simulator"])), name="provider_kind_known"
                    ),
                    models.CheckConstraint(condition=models.Q(("weight__gt", 0)), name="provider_weight_positive"),
                ],
            },
        ),
    ]
