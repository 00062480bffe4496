from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table may have millions of rows, and mail is accepted while the index is built.
    atomic = False

    dependencies = [("mail", "0090_header_recipients")]

    operations = [
        AddIndexConcurrently(
            "content",
            models.Index(
                fields=["original_message_id"],
                name="content_original_id",
                condition=~models.Q(original_message_id=""),
            ),
        ),
    ]
