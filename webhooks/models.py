"""Who is told what happens, and what was told to whom."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from common.fields import EncryptedTextField
from common.ids import new_id
from ledger.models import DueRow


class EndpointStatus(models.TextChoices):
    ENABLED = "enabled"
    DISABLED = "disabled"


class DeliveryStatus(models.TextChoices):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Endpoint(models.Model):
    """A URL of a project that is told of its events. Secrets are encrypted at rest."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="endpoints")
    url = models.TextField()
    description = models.CharField(max_length=200, blank=True)
    # Event types, or "*" alone.
    events = ArrayField(models.TextField())
    secret = EncryptedTextField()
    # The one before the last rotation; both sign until then.
    previous_secret = EncryptedTextField(null=True)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    status = models.TextField(choices=EndpointStatus.choices, default=EndpointStatus.ENABLED, editable=False)
    disabled_reason = models.TextField(blank=True, editable=False)
    failing_since = models.DateTimeField(
        null=True, editable=False, help_text="When the failures began that no success has ended yet."
    )
    # To within `standing.HEALTH_STEP`.
    last_success_at = models.DateTimeField(null=True, editable=False)
    last_failure_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "webhook endpoint"
        constraints = [
            models.CheckConstraint(condition=Q(status__in=EndpointStatus.values), name="endpoint_status_known"),
            models.CheckConstraint(condition=~Q(events=[]), name="endpoint_has_events"),
        ]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(DueRow):
    """One event on its way to one endpoint, and afterwards the log of it.

    `payload` is the body, byte for byte the same for every try. `attempts` holds what came of each, the last twenty:
    `{"at", "duration_ms", "status", "error", "response"}`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No constraints: a key-share lock on one endpoint's row by every writer of events would make it a hot spot.
    # What its endpoint has left behind is never claimed, and purged by age.
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
    # A replay starts the schedule anew, a test event is tried once.
    attempts_left = models.SmallIntegerField()
    attempts = models.JSONField(default=list)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            # claim: what is due for an endpoint, the longest due first.
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                name="webhook_due",
                condition=Q(lease_token__isnull=True, next_attempt_at__isnull=False),
            ),
            # claim: how much an endpoint has in hand; and leases that ran out.
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
