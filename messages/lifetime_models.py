"""The tables by which old data of projects is found and removed."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.fields import EncryptedTextField
from common.ids import new_id

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


class ErasureStatus(models.TextChoices):
    """Whether an erasure is at work."""

    RUNNING = "running"
    DONE = "done"


class Erasure(models.Model):
    """The erasure of an address from a project: the work while it runs, and its proof afterwards.

    The address itself is kept encrypted until the end, and then removed; `address_hash` stays. `step` and `place` say
    how far it has come, `counts` what it has changed, by kind.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="erasures", db_index=False)
    address = EncryptedTextField(null=True)
    address_hash = models.TextField()
    requested_by = models.TextField()
    status = models.TextField(choices=ErasureStatus.choices, default=ErasureStatus.RUNNING)
    step = models.TextField(blank=True)
    place = models.TextField(blank=True)
    counts = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # GET /erasures, the newest first.
            models.Index(fields=["project", "-id"], name="erasure_list"),
            # Those that are at work, the oldest first.
            models.Index(fields=["id"], name="erasure_running", condition=Q(status="running")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="running", address__isnull=False, finished_at=None)
                | Q(status="done", address=None, finished_at__isnull=False),
                name="erasure_forgets_address",
            ),
        ]

    def __str__(self) -> str:
        return self.address_hash
