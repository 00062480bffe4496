"""The suppression list, the tracked links, the immutable event log and the statistics."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Now

from common.ids import new_id
from tracking.suppressions.wave_models import HeldSuppression as HeldSuppression
from tracking.suppressions.wave_models import RefusalCount as RefusalCount
from tracking.suppressions.wave_models import RefusedAddress as RefusedAddress
from tracking.suppressions.wave_models import SuppressionWave as SuppressionWave
from webhooks.event_types import EventType as EventType


class SuppressionReason(models.TextChoices):
    """The reason for a suppression."""

    # Mail to the address bounced, because it does not exist.
    BOUNCE = "bounce"
    # The recipient reported mail as spam.
    COMPLAINT = "complaint"
    # The recipient unsubscribed.
    UNSUBSCRIBE = "unsubscribe"
    # A person, the API or an import added the address.
    MANUAL = "manual"


class SuppressionWay(models.TextChoices):
    """The way by which a suppression came: a part of its proof."""

    # A mail program's one-click request (RFC 8058).
    ONE_CLICK = "one_click", "One-click"
    # The button of the unsubscribe page.
    PAGE = "page"
    # A mail to the address in List-Unsubscribe (RFC 2369).
    MAILTO = "mailto"
    # A server's reply, a report or an ESP's event.
    FEEDBACK = "feedback"
    # A file.
    IMPORT = "import"
    # A request of the API, or staff in the admin.
    API = "api", "API"


class Suppression(models.Model):
    """An address to which a project sends no mail, or no mail of some kind. The rules: `tracking.suppressions.reach`.

    There is one entry for each address, reason and stream, and none replaces another. Its proof is `message_id`,
    `created_at`, `way` and `ip`; they are those of the first time.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="suppressions")
    # A test key's: it stops test mail, and no other.
    is_test = models.BooleanField(default=False, db_default=False, editable=False)
    # In lower case, because the case of an address does not matter here.
    address = models.TextField()
    reason = models.TextField(choices=SuppressionReason.choices)
    # The name of the only stream for which it holds; null for all streams.
    stream = models.TextField(null=True, blank=True)  # noqa: DJ001
    note = models.TextField(blank=True)
    # The message that caused the suppression, for support; it may be deleted by retention.
    message_id = models.UUIDField(null=True)
    way = models.TextField(choices=SuppressionWay.choices, default=SuppressionWay.FEEDBACK)
    # The address of the client that asked for it.
    ip = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        permissions = [("release_suppression", "Can release suppressions, with a note")]
        constraints = [
            # Also serves the look-up at accept and at send.
            models.UniqueConstraint(
                fields=["project", "address", "reason", "stream", "is_test"],
                name="suppression_in_world_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["bounce", "complaint", "unsubscribe", "manual"]),
                name="suppression_reason_known",
            ),
            models.CheckConstraint(condition=Q(way__in=SuppressionWay.values), name="suppression_way_known"),
            # A bounce and a complaint concern the address, whatever the mail was.
            models.CheckConstraint(
                condition=Q(stream__isnull=True) | Q(reason__in=["unsubscribe", "manual"]),
                name="suppression_of_stream_has_reason",
            ),
        ]
        indexes = [
            # GET /suppressions, newest first.
            models.Index(fields=["project", "-id"], name="suppression_list"),
            # The same of a test key.
            models.Index(fields=["project", "-id"], name="suppression_test_list", condition=Q(is_test=True)),
            # GET /suppressions?q=… and the admin's search: any part of the address.
            GinIndex(fields=["address"], opclasses=["gin_trgm_ops"], name="suppression_part"),
        ]

    def __str__(self) -> str:
        return self.address


class TrackedLinks(models.Model):
    """The target URLs of a message's wrapped links. A click looks its target up here; the tracking URL has none."""

    message_id = models.UUIDField(primary_key=True)
    project_id = models.UUIDField()
    urls = ArrayField(models.TextField())


class LinkOwner(models.Model):
    """The message of a recipient that is deleted: its links lead on for as long as their targets are kept."""

    recipient_id = models.UUIDField(primary_key=True)
    message_id = models.UUIDField()

    class Meta:
        indexes = [
            # The erasure of a message's recipients.
            models.Index(fields=["message_id"], name="link_owner_message"),
        ]


# The types of events that other services list as bounces.
BOUNCES = (EventType.BOUNCED, EventType.COMPLAINED)


class Event(models.Model):
    """One fact about a message or one of its recipients. Written once, never changed.

    `project_id` and `message_id` are plain columns, so that reading the log needs no table of another package.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project_id = models.UUIDField()
    # Whether it is about mail of a test key.
    is_test = models.BooleanField(default=False, db_default=False)
    message_id = models.UUIDField()
    # No index, because no query uses it; no constraint, because an event may outlive its recipient.
    recipient = models.ForeignKey(
        "mail.Recipient", models.DO_NOTHING, null=True, related_name="events", db_index=False, db_constraint=False
    )
    # A copy of the address, so that the log needs no join.
    address = models.TextField(blank=True)
    type = models.TextField(choices=EventType.choices)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    # The position in the feed; `tracking.feed.cursor` explains how it makes pages without gaps.
    position = models.BigIntegerField(db_default=Func(function="tracking_position"), editable=False)
    serial = models.BigIntegerField(db_default=Func(Value("tracking_event_serial"), function="nextval"), editable=False)

    class Meta:
        indexes = [
            # The timeline of one message, in order.
            models.Index(fields=["message_id", "id"], name="event_message"),
            # The feed of one project, in order; also the events that are not aggregated yet.
            models.Index(fields=["project_id", "position", "serial"], name="event_feed"),
            # The feed of a test key.
            models.Index(
                fields=["project_id", "position", "serial"], name="event_test_feed", condition=Q(is_test=True)
            ),
            # The number of a recipient's visits, which is limited.
            models.Index(
                fields=["recipient"], name="event_visits", condition=Q(type__in=["email.opened", "email.clicked"])
            ),
            # The newest bounces of one project, and one by its number: Postmark's API has such a list.
            models.Index(fields=["project_id", "serial"], name="event_bounces", condition=Q(type__in=BOUNCES)),
        ]


class Visit(models.Model):
    """A recent open or click, until it is settled and some time longer. Its id is that of its event.

    A row that is due waits for its settled label: the row is the queue. Settled rows are signals for later visits.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    project_id = models.UUIDField()
    message_id = models.UUIDField()
    recipient_id = models.UUIDField()
    address = models.TextField()
    is_click = models.BooleanField()
    # The target and the number of the link; empty and null for an open.
    url = models.TextField(blank=True)
    link = models.IntegerField(null=True)
    method = models.TextField()
    user_agent = models.TextField(blank=True)
    purpose = models.TextField(blank=True)
    ip = models.TextField(blank=True)
    # `engagement.networks.find_neighbourhood` of the address; empty without one.
    network = models.TextField(blank=True)
    visited_at = models.DateTimeField(db_default=Now())
    # Whether the mail had been handed over less than two minutes before.
    is_early = models.BooleanField()
    # The first label. A fixed one was made by the visit's reporter, so that it is settled as it is.
    actor = models.TextField()
    actor_reason = models.TextField()
    is_fixed = models.BooleanField(default=False)
    # When the label is settled; null afterwards.
    due_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], name="visit_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["recipient_id", "visited_at"], name="visit_recipient"),
            models.Index(fields=["project_id", "network", "visited_at"], name="visit_network"),
        ]


class FeedBase(models.Model):
    """The offset that is added to the cluster's transaction ids to make positions. Without a row it is 0.

    It is raised after a restore into a cluster with lower transaction ids, so that positions never go back.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    base = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="feed_base_once")]


class Rollup(models.Model):
    """Counts of the mail that a project accepted in one hour: of all mail, or of one value of a dimension.

    `day:` before the dimension: in one day, in UTC (`tracking.stats.days`).
    `tracking.stats.counting` defines the columns. Only `tracking.stats` writes here, by aggregating the feed.
    """

    class Dimension(models.TextChoices):
        ALL = "all"
        TAG = "tag"
        TEMPLATE = "template"
        PROVIDER = "provider"
        DOMAIN = "domain"
        STREAM = "stream"
        # Of the recipients: see `domains.public_suffixes.name_mailbox_provider`.
        MAILBOX_PROVIDER = "mailbox_provider"

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="+", db_index=False)
    dimension = models.TextField(choices=Dimension.choices)
    starts_at = models.DateTimeField()
    # Empty for `all`; null for the sum of the values beyond the limit of an hour.
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
    opens_shown = models.IntegerField()
    opened = models.IntegerField()
    clicks = models.IntegerField()
    clicks_human = models.IntegerField()
    clicks_shown = models.IntegerField()
    clicked = models.IntegerField()
    # Durations as {slot: count}, see `tracking.stats.histograms`.
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
    """The place in the feed up to which a project's events are aggregated, and the time of the last aggregation."""

    project = models.OneToOneField("accounts.Project", models.CASCADE, primary_key=True, related_name="+")
    position = models.BigIntegerField()
    serial = models.BigIntegerField()
    counted_at = models.DateTimeField()
    # Rollups of days are whole from this day on, up to this place: see `tracking.stats.days`.
    days_since = models.DateTimeField(null=True)
    days_position = models.BigIntegerField(null=True)
    days_serial = models.BigIntegerField(null=True)
