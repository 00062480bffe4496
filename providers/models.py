"""Configured ways out."""

from django.db import models
from django.db.models import Q

from common.fields import EncryptedTextField
from common.ids import new_id


class ProviderKind(models.TextChoices):
    """How a provider is spoken to."""

    SMTP = "smtp"  # a relay
    MX = "mx"  # each recipient's own server
    ESP = "esp"  # an email service's HTTP API
    INBOX = "inbox"  # the local inbox; stands for the recipient's MX
    SIMULATOR = "simulator"  # named outcomes; nothing leaves


class Provider(models.Model):
    """A way out of one project, or of all when `project` is null. Its URL holds credentials and is kept encrypted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, null=True, related_name="providers")
    name = models.TextField()
    kind = models.TextField(choices=ProviderKind.choices)
    # All settings of all kinds: providers.provider_url takes it apart.
    url = EncryptedTextField(blank=True)
    # The lowest comes first; the others are for when those before cannot be used.
    priority = models.SmallIntegerField(default=0)
    weight = models.SmallIntegerField(default=1)
    # Messages a second, and connections at once, of all workers together.
    rate_limit = models.FloatField(null=True)
    connection_limit = models.SmallIntegerField(null=True)
    is_enabled = models.BooleanField(default=True)
    # False for what a project set up by itself: its inbox need not be ours, and then mail to it leaves the machine.
    is_operated = models.BooleanField(default=True)
    # A person's pause ends when a person says so; nothing is claimed for a paused provider.
    is_paused = models.BooleanField(default=False)
    # Set when the provider refuses us as such (credentials): nothing is claimed for it until then.
    paused_until = models.DateTimeField(null=True)
    pause_reason = models.TextField(blank=True)
    # Stands in the address that an ESP sends its events to.
    event_secret = EncryptedTextField(blank=True)
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
