"""Labels with abbreviations as they are spelled. Nothing changes in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tracking", "0251_days")]

    operations = [
        migrations.AlterField(
            "suppression",
            "way",
            models.TextField(
                choices=[
                    ("one_click", "One-click"),
                    ("page", "Page"),
                    ("mailto", "Mailto"),
                    ("feedback", "Feedback"),
                    ("import", "Import"),
                    ("api", "API"),
                ],
                default="feedback",
            ),
        )
    ]
