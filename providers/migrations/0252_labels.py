"""Labels with abbreviations as they are spelled. Nothing changes in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("providers", "0051_convert_urls")]

    operations = [
        migrations.AlterField(
            "provider",
            "kind",
            models.TextField(
                choices=[("smtp", "SMTP"), ("mx", "MX"), ("esp", "ESP"), ("inbox", "Inbox"), ("simulator", "Simulator")]
            ),
        )
    ]
