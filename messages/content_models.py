"""The tables of a message's content that its changes of status do not rewrite: bodies and searched text."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q


class Content(models.Model):
    """The bodies of a message, and the places in them that delivery fills for each recipient.

    The row changes once: when the bodies are removed.
    """

    message = models.OneToOneField("mail.Message", models.CASCADE, primary_key=True, related_name="content")
    html = models.TextField(blank=True)
    text = models.TextField(blank=True)
    # The offsets of the pixel and the links in `html`, as in `link_finding.Found.places`. Null without tracking.
    tracked_places = ArrayField(models.IntegerField(), null=True)
    # What To and Cc show where the recipients are others: {"to": […], "cc": […]} of {"name", "address"}. They fill
    # the header only; nobody gets mail by them.
    header_recipients = models.JSONField(null=True)
    # The Message-ID that the client had written, without its brackets; the mail leaves with one of ours.
    original_message_id = models.TextField(blank=True, default="", db_default="")

    # When retention or an erasure removed the bodies.
    bodies_purged_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(html="") | ~Q(text="") | Q(bodies_purged_at__isnull=False),
                name="content_has_body_or_had",
            ),
        ]
        indexes = [
            # GET /emails?remote_id=… and the admin's search.
            models.Index(
                fields=["original_message_id"], name="content_original_id", condition=~Q(original_message_id="")
            ),
        ]


class Subject(models.Model):
    """What is searched of a message, in the form of `common.text.fold`, and its metadata.

    It has a separate table, because these indexes are expensive to rewrite with each change of status. `text` is the
    subject; in the other columns each part is a line of its own, see `search.columns`.
    """

    message = models.OneToOneField("mail.Message", models.CASCADE, primary_key=True, related_name="searched_subject")
    text = models.TextField()
    metadata = models.JSONField(default=dict)
    sender = models.TextField(blank=True, default="", db_default="")
    # Null for mail of earlier releases until `search.filling` has filled all of the row.
    recipients = models.TextField(null=True)  # noqa: DJ001
    tags = models.TextField(blank=True, default="", db_default="")
    filenames = models.TextField(blank=True, default="", db_default="")
    pairs = models.TextField(blank=True, default="", db_default="")

    class Meta:
        indexes = [
            # The admin's search, and GET /emails?q=…: any part of any column. One index of several columns costs less
            # than one for each, and serves conditions on all of them together.
            GinIndex(
                fields=["text", "sender", "recipients", "tags", "filenames", "pairs"],
                opclasses=["gin_trgm_ops"] * 6,
                name="subject_searched",
            ),
            # fill_columns: rows of earlier releases.
            models.Index(fields=["message"], name="subject_unfilled", condition=Q(recipients=None)),
            # GET /emails?metadata.KEY=…
            GinIndex(
                fields=["metadata"], opclasses=["jsonb_path_ops"], name="subject_metadata", condition=~Q(metadata={})
            ),
        ]
