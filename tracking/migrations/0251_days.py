"""Where the rollups of whole days begin. The programs add up the days before, in the background."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tracking", "0140_stats_dimensions")]

    operations = [
        migrations.AddField("statscursor", "days_since", models.DateTimeField(null=True)),
        migrations.AddField("statscursor", "days_position", models.BigIntegerField(null=True)),
        migrations.AddField("statscursor", "days_serial", models.BigIntegerField(null=True)),
    ]
