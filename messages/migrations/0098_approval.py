from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently
from django.db import migrations, models

REASONS = [
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
]


class Migration(migrations.Migration):
    # The tables may have millions of rows, and mail is accepted meanwhile. New rows obey the constraint at once; the old
    # ones obeyed a stricter one.
    atomic = False

    dependencies = [("mail", "0094_batch_id"), ("accounts", "0098_hold_for_approval")]

    operations = [
        migrations.AlterField("message", "status_reason", models.TextField(blank=True, choices=REASONS)),
        migrations.AlterField("recipient", "status_reason", models.TextField(blank=True, choices=REASONS)),
        migrations.RemoveConstraint("message", "message_scheduled_has_time"),
        AddConstraintNotValid(
            "message",
            models.CheckConstraint(
                condition=~models.Q(status="scheduled")
                | models.Q(scheduled_at__isnull=False)
                | models.Q(status_reason="approval"),
                name="message_scheduled_or_held",
            ),
        ),
        AddIndexConcurrently(
            "recipient",
            models.Index(
                fields=["expires_at"],
                name="recipient_held",
                condition=models.Q(status="scheduled", status_reason="approval"),
            ),
        ),
    ]
