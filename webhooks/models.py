"""Webhook endpoints and the deliveries to them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from common.fields import EncryptedTextField
from common.ids import new_id
from ledger.models import DueRow


class EndpointStatus(models.TextChoices):
    ENABLED = "enabled"
    DISABLED = "disabled"


class Format(models.TextChoices):
    """The form of an endpoint's posts: ours, or that of another service."""

    STANDARD = "standard"
    RESEND = "resend"
    POSTMARK = "postmark"
    SENDGRID = "sendgrid", "SendGrid"


class DeliveryStatus(models.TextChoices):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Endpoint(models.Model):
    """A URL that receives the events of one project. Its secrets are encrypted at rest."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="endpoints")
    # A test key's: it receives the events of test mail, and of no other.
    is_test = models.BooleanField(default=False, db_default=False, editable=False)
    url = models.TextField()
    description = models.CharField(max_length=200, blank=True)
    # Event types, or "*" alone.
    events = ArrayField(models.TextField())
    format = models.TextField(choices=Format.choices, default=Format.STANDARD, db_default=Format.STANDARD)
    secret = EncryptedTextField()
    # Belongs to the secret; empty for a format that has none.
    public_key = models.TextField(blank=True, default="", db_default="", editable=False)
    # The end of the overlap of the last rotation.
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    status = models.TextField(choices=EndpointStatus.choices, default=EndpointStatus.ENABLED, editable=False)
    disabled_reason = models.TextField(blank=True, editable=False)
    failing_since = models.DateTimeField(
        null=True, editable=False, help_text="Start of the current series of failures."
    )
    # Precise to `endpoint_health.HEALTH_STEP`.
    last_success_at = models.DateTimeField(null=True, editable=False)
    last_failure_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "webhook endpoint"
        constraints = [
            models.CheckConstraint(condition=Q(status__in=EndpointStatus.values), name="endpoint_status_known"),
            models.CheckConstraint(condition=~Q(events=[]), name="endpoint_has_events"),
            models.CheckConstraint(condition=Q(format__in=Format.values), name="endpoint_format_known"),
        ]

    def __str__(self) -> str:
        return self.url


class RetiredSecret(models.Model):
    """A secret that was replaced; posts are signed with it too until the end of its overlap. Encrypted at rest."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="retired_secrets")
    secret = EncryptedTextField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"until {self.until}"


class WebhookDelivery(DueRow):
    """One event for one endpoint: the queue row while it is pending, the log entry afterwards.

    `payload` is the request body, identical for every attempt. `attempts` holds the results of the last twenty:
    `{"at", "duration_ms", "status", "error", "response"}`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Without a constraint: a key-share lock on the endpoint's row by every writer of events would make it a hot spot.
    # Deliveries whose endpoint was removed are never claimed; the purge by age removes them.
    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False
    )
    project = models.ForeignKey(
        "accounts.Project", models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    event_id = models.UUIDField()
    type = models.TextField()
    payload = models.TextField()
    status = models.TextField(choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    attempt_count = models.SmallIntegerField(default=0)
    # A replay restarts the retry schedule; a test event has one attempt.
    attempts_left = models.SmallIntegerField()
    attempts = models.JSONField(default=list)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            # Claims: the due deliveries of an endpoint, the longest due first.
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                name="webhook_due",
                condition=Q(lease_token__isnull=True, next_attempt_at__isnull=False),
            ),
            # Claims: the number of an endpoint's leased deliveries; and the search for expired leases.
            models.Index(
                fields=["endpoint", "lease_until"], name="webhook_leased", condition=Q(lease_token__isnull=False)
            ),
            # GET /webhooks/{id}/deliveries, the newest first.
            models.Index(fields=["endpoint", "-id"], name="webhook_log"),
            # The same with ?status=failed, and the replay of all failed.
            models.Index(fields=["endpoint", "-id"], name="webhook_failed", condition=Q(status=DeliveryStatus.FAILED)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=DeliveryStatus.values), name="webhook_status_known"),
            models.CheckConstraint(
                condition=Q(status=DeliveryStatus.PENDING) | Q(next_attempt_at__isnull=True),
                name="webhook_due_is_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
