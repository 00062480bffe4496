"""Projects may keep their request log for fewer days."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0132_request_months")]

    operations = [
        migrations.AddField(
            model_name="retention",
            name="requests",
            field=models.PositiveIntegerField(
                blank=True,
                db_default=30,
                default=30,
                help_text="Days for the request log, at most REQUEST_KEEP_SECONDS. Empty: for good.",
                null=True,
            ),
        ),
    ]
