from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table may have millions of rows, and mail is accepted while the indexes are built.
    atomic = False

    # The claim reads projects' weights.
    dependencies = [("mail", "0030_parking"), ("accounts", "0030_turns")]

    operations = [
        AddIndexConcurrently(
            "recipient",
            models.Index(
                fields=["lane", "is_simulated", "project", "next_attempt_at"],
                name="recipient_turn",
                condition=models.Q(
                    lease_token__isnull=True, next_attempt_at__isnull=False, parked_by="", crash_count=0
                ),
            ),
        ),
        AddIndexConcurrently(
            "recipient",
            models.Index(
                fields=["parked_by"],
                name="recipient_parked",
                condition=~models.Q(parked_by="") & models.Q(status__in=["delivering", "queued"]),
            ),
        ),
        RemoveIndexConcurrently("recipient", "recipient_due"),
    ]
