import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import common.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_projects_and_keys"),
        ("mail", "0001_messages"),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("project_id", models.UUIDField()),
                ("message_id", models.UUIDField()),
                ("address", models.TextField(blank=True)),
                (
                    "type",
                    models.TextField(
                        choices=[
                            ("email.scheduled", "Scheduled"),
                            ("email.queued", "Queued"),
                            ("email.cancelled", "Cancelled"),
                            ("email.sent", "Sent"),
                            ("email.delivering", "Delivering"),
                            ("email.delivered", "Delivered"),
                            ("email.bounced", "Bounced"),
                            ("email.failed", "Failed"),
                            ("email.suppressed", "Suppressed"),
                            ("email.opened", "Opened"),
                            ("email.clicked", "Clicked"),
                            ("email.complained", "Complained"),
                            ("email.unsubscribed", "Unsubscribed"),
                        ]
                    ),
                ),
                ("data", models.JSONField(default=dict)),
                ("occurred_at", models.DateTimeField()),
                (
                    "recipient",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="mail.recipient",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["message_id", "id"], name="event_message"),
                    models.Index(fields=["project_id", "id"], name="event_project"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("address", models.TextField()),
                (
                    "reason",
                    models.TextField(
                        choices=[
                            ("bounce", "Bounce"),
                            ("complaint", "Complaint"),
                            ("unsubscribe", "Unsubscribe"),
                            ("manual", "Manual"),
                        ]
                    ),
                ),
                ("note", models.TextField(blank=True)),
                ("message_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="suppressions", to="accounts.project"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["project", "-id"], name="suppression_list")],
                "constraints": [
                    models.UniqueConstraint(fields=("project", "address"), name="suppression_once"),
                    models.CheckConstraint(
                        condition=models.Q(("reason__in", ["bounce", "complaint", "unsubscribe", "manual"])),
                        name="suppression_reason_known",
                    ),
                ],
            },
        ),
    ]
