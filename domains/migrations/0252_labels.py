"""Labels with abbreviations as they are spelled. Nothing changes in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("domains", "0010_settings_changes")]

    operations = [
        migrations.AlterField(
            "dkimkey",
            "algorithm",
            models.TextField(choices=[("rsa-sha256", "RSA"), ("ed25519-sha256", "Ed25519")]),
        )
    ]
