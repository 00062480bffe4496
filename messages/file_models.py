"""The tables of a message's files: attachments, their contents, and uploads to the storage."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.ids import new_id


class AttachmentContent(models.Model):
    """The bytes of an attachment, stored once for each distinct content of a project.

    Either `data` holds the bytes, or `storage_name` names the file in the storage of the setting ATTACHMENT_STORAGE.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="+")
    sha256 = models.BinaryField(max_length=32)
    size = models.IntegerField()
    data = models.BinaryField(null=True)
    storage_name = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "sha256"], name="attachment_content_once"),
            models.CheckConstraint(
                condition=Q(data__isnull=False, storage_name="") | Q(data__isnull=True) & ~Q(storage_name=""),
                name="attachment_content_in_one_place",
            ),
        ]


class Upload(models.Model):
    """A file in the attachment storage that no content names, either not yet or no longer. The sweep removes it."""

    name = models.TextField(primary_key=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # sweep: the oldest first.
            models.Index(fields=["created_at"], name="upload_age"),
        ]


class Attachment(models.Model):
    """A file of a message. Its content may be shared with other messages of the project."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message = models.ForeignKey("mail.Message", models.CASCADE, related_name="attachments")
    # Null when retention or an erasure has taken the file; `size` is its size then.
    content = models.ForeignKey(AttachmentContent, models.PROTECT, null=True, related_name="attachments")
    size = models.IntegerField(null=True)
    position = models.SmallIntegerField()
    filename = models.TextField()
    content_type = models.TextField()
    # The API's `content_id`; the foreign key `content` occupies that column name.
    cid = models.TextField(blank=True)

    class Meta:
        ordering = ["position"]

    @property
    def byte_count(self) -> int:
        """The size of the file, also of one that is gone."""
        return self.content.size if self.content is not None else self.size or 0
