"""The limits of projects and keys, and what keys have sent."""

from django.db import models
from django.db.models.functions import Now


class Limits(models.Model):
    """The limits of a project or a key. Null means no limit; the limits of an owner without a row are the defaults."""

    requests_per_second = models.PositiveIntegerField(null=True, blank=True)
    messages_per_second = models.PositiveIntegerField(null=True, blank=True)
    messages_per_day = models.PositiveBigIntegerField(null=True, blank=True)
    messages_per_month = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        abstract = True


class ProjectLimits(Limits):
    """The limits of a project, of all its keys together."""

    project = models.OneToOneField("accounts.Project", models.CASCADE, primary_key=True, related_name="limits")

    class Meta:
        verbose_name_plural = "project limits"


class KeyLimits(Limits):
    """The limits of one key, beside those of its project."""

    api_key = models.OneToOneField("accounts.ApiKey", models.CASCADE, primary_key=True, related_name="limits")

    class Meta:
        verbose_name_plural = "key limits"


class KeyUsage(models.Model):
    """The messages that a key with a limit by day or month sent on a day in UTC, as of a minute ago."""

    id = models.BigAutoField(primary_key=True)
    # Served by the index of `key_usage_once`.
    api_key = models.ForeignKey("accounts.ApiKey", models.CASCADE, related_name="usage", db_index=False)
    day = models.DateField()
    message_count = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "day"], name="key_usage_once")]


class SendingCap(models.Model):
    """The cap of a new project: so many messages on its first day, twice as many on each day after; it ends by itself.

    `messages.pausing.caps` counts what is sent.
    """

    project = models.OneToOneField("accounts.Project", models.CASCADE, primary_key=True, related_name="sending_cap")
    first_day_messages = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    counted_day = models.IntegerField(default=0)
    message_count = models.PositiveBigIntegerField(default=0)
