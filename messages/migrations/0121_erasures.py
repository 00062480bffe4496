import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import common.fields
import common.ids


class Migration(migrations.Migration):
    dependencies = [("mail", "0120_retention"), ("accounts", "0121_erasure_scope")]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="status_reason",
            field=models.TextField(
                blank=True,
                choices=[
                    ("", "None"),
                    ("no_provider", "No Provider"),
                    ("provider_unreadable", "Provider Unreadable"),
                    ("suppressed", "Suppressed"),
                    ("expired", "Expired"),
                    ("paused", "Paused"),
                    ("cap", "Cap"),
                    ("approval", "Approval"),
                    ("dropped", "Dropped"),
                    ("sender_suspended", "Sender Suspended"),
                    ("sender_not_verified", "Sender Not Verified"),
                    ("worker_crash", "Worker Crash"),
                    ("refused", "Refused"),
                    ("provider_error", "Provider Error"),
                    ("uncertain", "Uncertain"),
                    ("deferred", "Deferred"),
                    ("settled", "Settled"),
                    ("erased", "Erased"),
                ],
            ),
        ),
        migrations.AlterField(
            model_name="recipient",
            name="status_reason",
            field=models.TextField(
                blank=True,
                choices=[
                    ("", "None"),
                    ("no_provider", "No Provider"),
                    ("provider_unreadable", "Provider Unreadable"),
                    ("suppressed", "Suppressed"),
                    ("expired", "Expired"),
                    ("paused", "Paused"),
                    ("cap", "Cap"),
                    ("approval", "Approval"),
                    ("dropped", "Dropped"),
                    ("sender_suspended", "Sender Suspended"),
                    ("sender_not_verified", "Sender Not Verified"),
                    ("worker_crash", "Worker Crash"),
                    ("refused", "Refused"),
                    ("provider_error", "Provider Error"),
                    ("uncertain", "Uncertain"),
                    ("deferred", "Deferred"),
                    ("settled", "Settled"),
                    ("erased", "Erased"),
                ],
            ),
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("address", common.fields.EncryptedTextField(null=True)),
                ("address_hash", models.TextField()),
                ("requested_by", models.TextField()),
                ("status", models.TextField(choices=[("running", "Running"), ("done", "Done")], default="running")),
                ("step", models.TextField(blank=True)),
                ("place", models.TextField(blank=True)),
                ("counts", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erasures",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "-id"], name="erasure_list"),
                    models.Index(condition=models.Q(("status", "running")), fields=["id"], name="erasure_running"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("address__isnull", False), ("finished_at", None), ("status", "running")),
                            models.Q(("address", None), ("finished_at__isnull", False), ("status", "done")),
                            _connector="OR",
                        ),
                        name="erasure_forgets_address",
                    )
                ],
            },
        ),
    ]
