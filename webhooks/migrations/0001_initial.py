import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import common.fields
import common.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("url", models.TextField()),
                ("description", models.CharField(blank=True, max_length=200)),
                ("events", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ("secret", common.fields.EncryptedTextField()),
                ("previous_secret_until", models.DateTimeField(editable=False, null=True)),
                (
                    "status",
                    models.TextField(
                        choices=[("enabled", "Enabled"), ("disabled", "Disabled")], default="enabled", editable=False
                    ),
                ),
                ("disabled_reason", models.TextField(blank=True, editable=False)),
                (
                    "failing_since",
                    models.DateTimeField(
                        editable=False, help_text="Start of the current series of failures.", null=True
                    ),
                ),
                ("last_success_at", models.DateTimeField(editable=False, null=True)),
                ("last_failure_at", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="endpoints", to="accounts.project"
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook endpoint",
            },
        ),
        migrations.CreateModel(
            name="RetiredSecret",
            fields=[
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("secret", common.fields.EncryptedTextField()),
                ("until", models.DateTimeField()),
                (
                    "endpoint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="retired_secrets",
                        to="webhooks.endpoint",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("lease_token", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("id", models.UUIDField(default=common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("event_id", models.UUIDField()),
                ("type", models.TextField()),
                ("payload", models.TextField()),
                (
                    "status",
                    models.TextField(
                        choices=[("pending", "Pending"), ("delivered", "Delivered"), ("failed", "Failed")],
                        default="pending",
                    ),
                ),
                ("attempt_count", models.SmallIntegerField(default=0)),
                ("attempts_left", models.SmallIntegerField()),
                ("attempts", models.JSONField(default=list)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="webhooks.endpoint",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.project",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
            },
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["enabled", "disabled"])), name="endpoint_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("events", []), _negated=True), name="endpoint_has_events"
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("lease_token__isnull", True), ("next_attempt_at__isnull", False)),
                fields=["endpoint", "next_attempt_at"],
                name="webhook_due",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("lease_token__isnull", False)),
                fields=["endpoint", "lease_until"],
                name="webhook_leased",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["endpoint", "-id"], name="webhook_log"),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("status", "failed")), fields=["endpoint", "-id"], name="webhook_failed"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["pending", "delivered", "failed"])), name="webhook_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("status", "pending"), ("next_attempt_at__isnull", True), _connector="OR"),
                name="webhook_due_is_pending",
            ),
        ),
    ]
