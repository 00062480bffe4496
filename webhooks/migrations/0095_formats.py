from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0080_months")]

    operations = [
        migrations.AddField(
            "endpoint",
            "format",
            models.TextField(
                choices=[
                    ("standard", "Standard"),
                    ("resend", "Resend"),
                    ("postmark", "Postmark"),
                    ("sendgrid", "Sendgrid"),
                ],
                db_default="standard",
                default="standard",
            ),
        ),
        migrations.AddField(
            "endpoint", "public_key", models.TextField(blank=True, db_default="", default="", editable=False)
        ),
        migrations.AddConstraint(
            "endpoint",
            models.CheckConstraint(
                condition=models.Q(("format__in", ["standard", "resend", "postmark", "sendgrid"])),
                name="endpoint_format_known",
            ),
        ),
    ]
