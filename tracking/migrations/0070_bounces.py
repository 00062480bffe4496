"""An index for the newest bounces of a project."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tracking", "0052_mark_test_events")]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("type__in", ("email.bounced", "email.complained"))),
                fields=["project_id", "serial"],
                name="event_bounces",
            ),
        ),
    ]
