from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The indexes are built beside running programs.
    atomic = False
    dependencies = [("tracking", "0050_test_rows")]

    operations = [
        AddIndexConcurrently(
            "event",
            models.Index(
                condition=models.Q(("is_test", True)),
                fields=["project_id", "position", "serial"],
                name="event_test_feed",
            ),
        ),
        AddIndexConcurrently(
            "suppression",
            models.Index(
                condition=models.Q(("is_test", True)), fields=["project", "-id"], name="suppression_test_list"
            ),
        ),
    ]
