"""Statistics by stream and by mailbox provider: new values of a column, which has no constraint.

Hours that were counted before have none of them until `rebuild_stats` counts them anew.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tracking", "0120_link_owners")]

    operations = [
        migrations.AlterField(
            model_name="rollup",
            name="dimension",
            field=models.TextField(
                choices=[
                    ("all", "All"),
                    ("tag", "Tag"),
                    ("template", "Template"),
                    ("provider", "Provider"),
                    ("domain", "Domain"),
                    ("stream", "Stream"),
                    ("mailbox_provider", "Mailbox Provider"),
                ]
            ),
        ),
    ]
