"""Providers."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.fields import EncryptedJsonField, LenientSecretField
from common.ids import new_id
from ledger.models import DueRow


class ProviderKind(models.TextChoices):
    """The protocol of a provider."""

    SMTP = "smtp", "SMTP"  # a relay
    MX = "mx", "MX"  # each recipient's own server
    ESP = "esp", "ESP"  # an email service's HTTP API
    INBOX = "inbox"  # the local inbox in place of the recipient's MX
    SIMULATOR = "simulator"  # simulated outcomes; sends no mail


class Provider(models.Model):
    """A provider of one project, or of all when `project` is null. Its settings hold credentials and are encrypted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, null=True, related_name="providers")
    name = models.TextField()
    kind = models.TextField(choices=ProviderKind.choices)
    # The checked settings by name; `providers.configuration.stored` reads and writes them. A row whose settings cannot
    # be read affects its own project only.
    settings = EncryptedJsonField(null=True)
    # The settings before there was `settings`, for a program of such a release beside this one. Never read here.
    url = LenientSecretField(blank=True)
    # Since when the settings cannot be read, once that has been told.
    unreadable_at = models.DateTimeField(null=True)
    # The lowest value is used first; others are used when all of lower value are unavailable.
    priority = models.SmallIntegerField(default=0)
    weight = models.SmallIntegerField(default=1)
    # Messages per second, and concurrent connections, for all workers together.
    rate_limit = models.FloatField(null=True)
    connection_limit = models.SmallIntegerField(null=True)
    is_enabled = models.BooleanField(default=True)
    # False for a provider that a project configured: its inbox may be on another machine, so that its mail leaves.
    is_operated = models.BooleanField(default=True)
    # A pause by a person lasts until a person ends it; no recipients are claimed for a paused provider.
    is_paused = models.BooleanField(default=False)
    # No recipients are claimed for it until this time, which a person or a refusal of the service by the provider set.
    paused_until = models.DateTimeField(null=True)
    # Whether the provider has refused the service since a person paused or resumed it.
    has_refused = models.BooleanField(default=False)
    pause_reason = models.TextField(blank=True)
    # Part of the URL that an ESP sends its events to.
    event_secret = LenientSecretField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="provider_name_once", nulls_distinct=False),
            models.CheckConstraint(condition=Q(kind__in=ProviderKind.values), name="provider_kind_known"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="provider_weight_positive"),
            models.CheckConstraint(
                condition=Q(rate_limit=None) | Q(rate_limit__gt=0), name="provider_rate_limit_positive"
            ),
            models.CheckConstraint(
                condition=Q(connection_limit=None) | Q(connection_limit__gt=0),
                name="provider_connection_limit_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BounceMailbox(DueRow):
    """A mailbox where bounces of a provider's mail come back, and a due row: it is read once a minute.

    `seen` holds what the mailbox's protocol needs to tell new mails from old ones (`delivery.mailboxes`).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.OneToOneField(Provider, models.CASCADE, related_name="bounce_mailbox")
    protocol = models.TextField()
    host = models.TextField()
    port = models.IntegerField()
    username = models.TextField()
    password = LenientSecretField()
    folder = models.TextField()
    # Keep the reports that were read; otherwise they are deleted. Other mail is always kept.
    is_kept = models.BooleanField(default=False)
    # False for a mailbox that a project configured: its host is guarded.
    is_operated = models.BooleanField(default=True)
    seen = ArrayField(models.TextField(), default=list)
    fetched_at = models.DateTimeField(null=True)
    failure = models.TextField(blank=True)
    failed_count = models.SmallIntegerField(default=0)

    class Meta:
        indexes = [
            # claim: mailboxes to be read, the longest due first.
            models.Index(fields=["next_attempt_at"], name="bounce_mailbox_due"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(protocol__in=["imaps", "pop3s"]), name="bounce_mailbox_protocol_known"),
            models.CheckConstraint(condition=Q(port__gt=0, port__lt=65536), name="bounce_mailbox_port_valid"),
        ]

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}/{self.folder}"


class UnknownEvent(models.Model):
    """The number of an ESP's events of a type that its module does not know: such events are accepted and not used."""

    id = models.BigAutoField(primary_key=True)
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="unknown_events", db_index=False)
    name = models.TextField()
    count = models.BigIntegerField()
    first_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Its index also serves the list of a provider's unknown events.
            models.UniqueConstraint(fields=["provider", "name"], name="unknown_event_once"),
            models.CheckConstraint(condition=Q(count__gt=0), name="unknown_event_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ×{self.count}"
