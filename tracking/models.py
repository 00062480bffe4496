"""What happened: the immutable event log."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Now

from common.ids import new_id
from webhooks.event_types import EventType as EventType


class SuppressionReason(models.TextChoices):
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    MANUAL = "manual"


class Suppression(models.Model):
    """An address that a project does not write to."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="suppressions")
    # Lower case: a person's address is theirs in any spelling.
    address = models.TextField()
    reason = models.TextField(choices=SuppressionReason.choices)
    note = models.TextField(blank=True)
    # What it came of, for support; the message may be gone by retention.
    message_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Also serves the look-up at accept and at send.
            models.UniqueConstraint(fields=["project", "address"], name="suppression_once"),
            models.CheckConstraint(
                condition=Q(reason__in=["bounce", "complaint", "unsubscribe", "manual"]),
                name="suppression_reason_known",
            ),
        ]
        indexes = [
            # GET /suppressions, newest first.
            models.Index(fields=["project", "-id"], name="suppression_list"),
        ]

    def __str__(self) -> str:
        return self.address


class TrackedLinks(models.Model):
    """Where a message's wrapped links lead: looked up at a click, never read from the URL."""

    message_id = models.UUIDField(primary_key=True)
    project_id = models.UUIDField()
    urls = ArrayField(models.TextField())


class Event(models.Model):
    """One fact about a message or one of its recipients. Written once, never changed.

    `project_id` and `message_id` are plain columns, so that reading the log needs no table of another package.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField()
    message_id = models.UUIDField()
    # Nothing looks events up by recipient, and a log outlives what it tells of: neither index nor constraint.
    recipient = models.ForeignKey(
        "mail.Recipient", models.DO_NOTHING, null=True, related_name="events", db_index=False, db_constraint=False
    )
    # The address as it was, so that the log needs no join.
    address = models.TextField(blank=True)
    type = models.TextField(choices=EventType.choices)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    # Where it stands in the feed: `tracking.feed.cursor` says how that makes pages without gaps.
    position = models.BigIntegerField(db_default=Func(function="tracking_position"), editable=False)
    serial = models.BigIntegerField(db_default=Func(Value("tracking_event_serial"), function="nextval"), editable=False)

    class Meta:
        indexes = [
            # The timeline of one message, in order.
            models.Index(fields=["message_id", "id"], name="event_message"),
            # The feed of one project, in order; also what the statistics have not counted yet.
            models.Index(fields=["project_id", "position", "serial"], name="event_feed"),
        ]


class FeedBase(models.Model):
    """One row, or none for 0: what is added to the cluster's transaction ids to make positions.

    Raised when the database was restored into a cluster that counts from anew, so that positions never go back.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    base = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="feed_base_once")]


class Rollup(models.Model):
    """What became of the mail that a project had accepted in one hour: of all of it, or of a tag, template, provider or
    sender's domain. `tracking.stats.counting` says what each column counts.

    Kept up from the feed by `tracking.stats.aggregation`, which alone writes here.
    """

    class Dimension(models.TextChoices):
        ALL = "all"
        TAG = "tag"
        TEMPLATE = "template"
        PROVIDER = "provider"
        DOMAIN = "domain"

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="+", db_index=False)
    dimension = models.TextField(choices=Dimension.choices)
    starts_at = models.DateTimeField()
    # Empty for `all`; null for the values beyond the number that an hour has room for.
    value = models.TextField(null=True)  # noqa: DJ001
    emails = models.IntegerField()
    accepted = models.IntegerField()
    sent = models.IntegerField()
    delivered = models.IntegerField()
    bounced = models.IntegerField()
    bounced_late = models.IntegerField()
    failed = models.IntegerField()
    suppressed = models.IntegerField()
    cancelled = models.IntegerField()
    complained = models.IntegerField()
    unsubscribed = models.IntegerField()
    opens = models.IntegerField()
    opens_human = models.IntegerField()
    opened = models.IntegerField()
    clicks = models.IntegerField()
    clicks_human = models.IntegerField()
    clicked = models.IntegerField()
    # How long things took: {slot: count}, see `tracking.stats.histograms`.
    handoff = models.JSONField(default=dict)
    delivery = models.JSONField(default=dict)

    class Meta:
        verbose_name = "figures"
        verbose_name_plural = "statistics"
        constraints = [
            # Also serves GET /stats: a project's hours of one dimension.
            models.UniqueConstraint(
                fields=["project", "dimension", "starts_at", "value"], name="rollup_once", nulls_distinct=False
            ),
        ]


class StatsCursor(models.Model):
    """How far a project's events are counted, and when that was."""

    project = models.OneToOneField("accounts.Project", models.CASCADE, primary_key=True, related_name="+")
    position = models.BigIntegerField()
    serial = models.BigIntegerField()
    counted_at = models.DateTimeField()
