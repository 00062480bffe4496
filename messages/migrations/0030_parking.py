from django.db import migrations, models

REASONS = [
    ("", "None"),
    ("no_provider", "No Provider"),
    ("suppressed", "Suppressed"),
    ("expired", "Expired"),
    ("paused", "Paused"),
    ("cap", "Cap"),
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
    dependencies = [("mail", "0022_fill_attempt_project")]

    operations = [
        migrations.AddField("recipient", "parked_by", models.TextField(blank=True, default="", db_default="")),
        migrations.AlterField("message", "status_reason", models.TextField(blank=True, choices=REASONS)),
        migrations.AlterField("recipient", "status_reason", models.TextField(blank=True, choices=REASONS)),
    ]
