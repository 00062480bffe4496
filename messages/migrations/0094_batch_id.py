from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The index is built beside running programs.
    atomic = False
    dependencies = [("mail", "0091_original_id_index")]

    operations = [
        migrations.AddField("message", "batch_id", models.UUIDField(editable=False, null=True)),
        AddIndexConcurrently(
            "message",
            models.Index(
                condition=models.Q(("batch_id__isnull", False)),
                fields=["project", "batch_id", "id"],
                name="message_batch",
            ),
        ),
    ]
