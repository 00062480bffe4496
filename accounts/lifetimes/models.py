"""How long a project's data is kept."""

from django.db import models

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
    statistics = days_field(STATISTICS_DAYS, "Days for the figures of hours and days.")
    bounced_suppressions = days_field(None, "Days for suppressions that bounces made.")

    class Meta:
        verbose_name_plural = "retention"

    def __str__(self) -> str:
        return f"retention of {self.project}"
