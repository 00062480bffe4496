from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The indexes are built beside running programs.
    atomic = False
    dependencies = [("mail", "0031_turn_indexes")]

    operations = [
        AddIndexConcurrently(
            "message", models.Index(fields=["project", "-id"], include=("is_test",), name="message_list_live")
        ),
        AddIndexConcurrently(
            "message",
            models.Index(condition=models.Q(("is_test", True)), fields=["project", "-id"], name="message_list_test"),
        ),
        RemoveIndexConcurrently("message", "message_list"),
    ]
