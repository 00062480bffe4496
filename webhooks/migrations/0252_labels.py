"""The label of a format, as the service writes itself. Nothing changes in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0095_formats")]

    operations = [
        migrations.AlterField(
            "endpoint",
            "format",
            models.TextField(
                choices=[
                    ("standard", "Standard"),
                    ("resend", "Resend"),
                    ("postmark", "Postmark"),
                    ("sendgrid", "SendGrid"),
                ],
                db_default="standard",
                default="standard",
            ),
        )
    ]
