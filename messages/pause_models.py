"""The tables of what holds mail back by decision: pauses, by people and by the guard; and incidents' resends."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.ids import new_id


class PauseKind(models.TextChoices):
    """What a pause is about."""

    PROJECT = "project"
    KEY = "key"
    STREAM = "stream"
    TEMPLATE = "template"
    TAG = "tag"
    # The scheduled emails that a caller groups by a `batch_id`.
    BATCH = "batch"
    SENDER_DOMAIN = "sender_domain"
    RECIPIENT_DOMAIN = "recipient_domain"
    # Sets the provider's own pause: mail uses the other providers, or waits.
    PROVIDER = "provider"
    # All recipient domains with the same mail exchangers; by the guard alone.
    MAILBOX_PROVIDER = "mailbox_provider"


# The kinds that need no project: they then hold for all projects.
SHARED_KINDS = (PauseKind.SENDER_DOMAIN, PauseKind.RECIPIENT_DOMAIN, PauseKind.PROVIDER)


class Pause(models.Model):
    """Mail of one kind is not sent until the pause ends. `value` is an id, a name or a domain, by kind.

    The guard's pauses hold for live mail alone: with `only_opt_out` for mail that offers an opt-out and is not
    critical; with `per_minute` they slow bulk mail to this pace instead of stopping it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, null=True, related_name="+", db_index=False)
    kind = models.TextField(choices=PauseKind.choices)
    value = models.TextField()
    # The value as people know it: the name of a key, an alias.
    label = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    made_by = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    is_by_guard = models.BooleanField(default=False)
    only_opt_out = models.BooleanField(default=False)
    per_minute = models.PositiveIntegerField(null=True)
    # The bucket of `per_minute`, at a time.
    permits = models.FloatField(default=0)
    permits_at = models.DateTimeField(db_default=Now())
    # The domains of a mailbox provider, as the guard last saw them.
    domains = ArrayField(models.TextField(), default=list)
    # What the guard measured.
    data = models.JSONField(default=dict)

    # When all mail that was in the queue at the start had been parked; when a drop began; when the pause ended.
    applied_at = models.DateTimeField(null=True)
    dropping_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = [
            # The claim: pauses that hold.
            models.Index(name="pause_active", fields=["id"], condition=Q(ended_at=None)),
            # The guard: pauses of a scope that a person ended lately.
            models.Index(name="pause_scope", fields=["project", "kind", "value"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind", "value", "is_by_guard", "only_opt_out"],
                name="pause_once",
                condition=Q(ended_at=None),
                nulls_distinct=False,
            ),
            models.CheckConstraint(name="pause_kind_known", condition=Q(kind__in=PauseKind.values)),
            models.CheckConstraint(
                name="pause_has_project",
                condition=Q(project__isnull=False) | Q(kind__in=[str(kind) for kind in SHARED_KINDS]),
            ),
            models.CheckConstraint(
                name="pause_only_guard_slows",
                condition=Q(is_by_guard=True) | Q(per_minute=None, only_opt_out=False) & ~Q(kind="mailbox_provider"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.label or self.value}"


class GuardCount(models.Model):
    """What happened to a project's live mail in ten minutes, by scope: what the guard judges. Kept for a day.

    `sent` counts recipients whose mail was accepted or bounced in an attempt; `bounced` bounces about the recipient for
    good; `complained` complaints. `domains` are a mailbox provider's.
    """

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="+", db_index=False)
    kind = models.TextField(choices=PauseKind.choices)
    value = models.TextField()
    starts_at = models.DateTimeField()
    sent = models.BigIntegerField()
    bounced = models.BigIntegerField()
    complained = models.BigIntegerField()
    domains = ArrayField(models.TextField(), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "value", "starts_at"], name="guard_count_once")
        ]
        indexes = [
            # The sum over a day, and the end of what is older.
            models.Index(fields=["starts_at"], name="guard_count_age")
        ]


class GuardState(models.Model):
    """The one row that says how far the guard has counted, and when it last judged."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    counted_until = models.DateTimeField()
    judged_at = models.DateTimeField(null=True)


class IncidentResend(models.Model):
    """A recipient of an incident whose mail was sent again: once ever, whatever the incident.

    The row is written in the transaction that accepts the copy.
    """

    recipient = models.OneToOneField("mail.Recipient", models.CASCADE, primary_key=True, related_name="+")
    # Null if the copy was deleted.
    copy = models.ForeignKey("mail.Message", models.SET_NULL, null=True, related_name="+")
    actor = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
