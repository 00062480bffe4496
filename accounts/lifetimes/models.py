"""How long a project's data is kept, and the end of a project."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.ids import new_id

BODIES_DAYS = 30
USUAL_DAYS = 90
# Two years.
STATISTICS_DAYS = 730


def days_field(default: int | None, help_text: str) -> "models.PositiveIntegerField[int | None, int | None]":
    """A number of days; null keeps for good."""
    return models.PositiveIntegerField(
        null=True, blank=True, default=default, db_default=default, help_text=f"{help_text} Empty: for good."
    )


class Retention(models.Model):
    """The days for which a project keeps each kind of data. A project without a row has the defaults.

    What belongs to an email counts from the email's last change of status; nothing of one that is open or scheduled is
    removed. `accounts.lifetimes.retention` has the kinds.
    """

    project = models.OneToOneField("accounts.Project", models.CASCADE, primary_key=True, related_name="retention")
    bodies = days_field(BODIES_DAYS, "Days for the bodies of emails.")
    attachments = days_field(BODIES_DAYS, "Days for the files of emails.")
    messages = days_field(USUAL_DAYS, "Days for emails with their recipients.")
    events = days_field(USUAL_DAYS, "Days for the events of emails.")
    attempts = days_field(USUAL_DAYS, "Days for attempts, at most as long as their email.")
    webhook_log = days_field(USUAL_DAYS, "Days for posts to webhook endpoints.")
    audit = days_field(USUAL_DAYS, "Days for the audit log.")
    requests = days_field(BODIES_DAYS, "Days for the request log, at most REQUEST_KEEP_SECONDS.")
    statistics = days_field(STATISTICS_DAYS, "Days for the figures of hours and days.")
    bounced_suppressions = days_field(None, "Days for suppressions that bounces made.")

    class Meta:
        verbose_name_plural = "retention"

    def __str__(self) -> str:
        return f"retention of {self.project}"


class Closing(models.Model):
    """The end of a project: the work while it goes on, and its proof afterwards. It outlives the project.

    `step` and `place` say how far the deletion has come, `counts` what it has removed, by table.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField(unique=True)
    project_name = models.CharField(max_length=100)
    closed_by = models.CharField(max_length=200)
    closed_at = models.DateTimeField(db_default=Now())
    # When no mail of it was left that could still be sent.
    stopped_at = models.DateTimeField(null=True)
    delete_at = models.DateTimeField()
    step = models.TextField(blank=True)
    place = models.TextField(blank=True)
    counts = models.JSONField(default=dict)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = [
            # Those at work.
            models.Index(fields=["id"], name="closing_open", condition=Q(deleted_at=None)),
        ]

    def __str__(self) -> str:
        return self.project_name
