"""Configured ways out."""

from django.db import models
from django.db.models import Q

from common.fields import EncryptedTextField
from common.ids import new_id


class Kind(models.TextChoices):
    """How a provider is spoken to."""

    SMTP = "smtp"  # a relay
    INBOX = "inbox"  # the local inbox; stands for the recipient's MX
    SIMULATOR = "simulator"  # named outcomes; nothing leaves


class Provider(models.Model):
    """A way out of one project, or of all when `project` is null. Its URL holds credentials and is kept encrypted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, null=True, related_name="providers")
    name = models.TextField()
    kind = models.TextField(choices=Kind.choices)
    url = EncryptedTextField(blank=True)
    priority = models.SmallIntegerField(default=0)
    weight = models.SmallIntegerField(default=1)
    is_enabled = models.BooleanField(default=True)
    # Set when the provider refuses us as such (credentials): nothing is claimed for it until then.
    paused_until = models.DateTimeField(null=True)
    pause_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="provider_name_once", nulls_distinct=False),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="provider_kind_known"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="provider_weight_positive"),
        ]

    def __str__(self) -> str:
        return self.name
