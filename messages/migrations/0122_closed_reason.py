from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail", "0121_erasures")]

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
                    ("project_closed", "Project Closed"),
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
                    ("project_closed", "Project Closed"),
                    ("erased", "Erased"),
                ],
            ),
        ),
    ]
