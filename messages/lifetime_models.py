"""The tables by which old data of projects is found and removed."""

from django.db import models
from django.db.models.functions import Now

# Below every id.
FIRST_ID = "00000000-0000-0000-0000-000000000000"


class PurgeState(models.Model):
    """How far the purge has come with a project. One row for each project that it has looked at.

    The places are ids of messages, by kind: what belongs to earlier ones is removed, or stands in `LatePurge`.
    """

    project = models.OneToOneField("accounts.Project", models.CASCADE, primary_key=True, related_name="+")
    looked_at = models.DateTimeField(db_default=Now())
    bodies_until = models.UUIDField(db_default=FIRST_ID)
    attachments_until = models.UUIDField(db_default=FIRST_ID)
    attempts_until = models.UUIDField(db_default=FIRST_ID)

    class Meta:
        indexes = [
            # The next project to look at, the longest ago first.
            models.Index(fields=["looked_at"], name="purge_looked_at"),
        ]


class LatePurge(models.Model):
    """A message that was not over when its turn came: scheduled far ahead, for example. It is looked at again."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="+", db_index=False)
    kind = models.TextField()
    message = models.ForeignKey("mail.Message", models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            # Also serves the look-up of a project's late messages.
            models.UniqueConstraint(fields=["project", "kind", "message"], name="late_purge_once"),
        ]
