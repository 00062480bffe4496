"""Sending domains, their DKIM keys, and what the DNS last said about each of their records."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from common.fields import EncryptedTextField
from common.ids import new_id
from delivery.dns import RecordType
from domains.dns.records import RecordPurpose
from domains.dns.verdicts import RecordStatus
from domains.domain_status import SENDING, DomainStatus


class Domain(models.Model):
    """A domain that a project sends from. Several projects may have the same one, each with its own proof and keys."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="domains")
    # As `names.canonical_name` gives it: what is compared at accept.
    name = models.TextField()
    # `a@b.c` or `Name <a@b.c>`, used for mail that names no sender.
    default_from = models.TextField(blank=True)
    ownership_token = models.TextField(editable=False)
    status = models.TextField(choices=DomainStatus.choices, default=DomainStatus.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True, blank=True, help_text="When it was first verified.")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the last check began.")
    failing_since = models.DateTimeField(null=True, blank=True, help_text="When a necessary record went missing.")
    next_check_at = models.DateTimeField(help_text="When beat checks it again.")

    class Meta:
        indexes = [
            # recheck_domains: what is due, the longest due first.
            models.Index(fields=["next_check_at"], name="domain_due"),
        ]
        constraints = [
            # Also serves the look-up at accept, by project and name.
            models.UniqueConstraint(fields=["project", "name"], name="domain_once_per_project"),
            models.CheckConstraint(condition=Q(status__in=DomainStatus.values), name="domain_status_known"),
            models.CheckConstraint(
                condition=Q(status=DomainStatus.PENDING) | Q(verified_at__isnull=False), name="domain_was_verified"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def can_send(self) -> bool:
        """Whether its ownership stands proven, be it with a warning."""
        return self.status in SENDING


class DkimKeyManager(models.Manager["DkimKey"]):
    """Leaves the private half in the database until somebody asks for it: most queries only show the public one."""

    def get_queryset(self) -> models.QuerySet["DkimKey"]:
        return super().get_queryset().defer("private_key")


class DkimKey(models.Model):
    """A key that signs, or did, or will once its record is seen. The private half is encrypted at rest."""

    class Algorithm(models.TextChoices):
        RSA = "rsa-sha256"
        ED25519 = "ed25519-sha256"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    domain = models.ForeignKey(Domain, models.CASCADE, related_name="dkim_keys")
    selector = models.TextField()
    algorithm = models.TextField(choices=Algorithm.choices)
    private_key = EncryptedTextField(editable=False)
    # The value of the TXT record, kept so that showing it decrypts nothing.
    public_record = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True, blank=True, help_text="When its record was seen; signs since then.")
    retired_at = models.DateTimeField(null=True, blank=True, help_text="When a newer key took over.")

    objects = DkimKeyManager()

    class Meta:
        verbose_name = "DKIM key"
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_selector_once"),
            models.UniqueConstraint(
                fields=["domain", "algorithm"],
                name="dkim_one_signs",
                condition=Q(activated_at__isnull=False, retired_at__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["domain", "algorithm"],
                name="dkim_one_waits",
                condition=Q(activated_at__isnull=True, retired_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True) | Q(activated_at__isnull=False, activated_at__lte=F("retired_at")),
                name="dkim_signs_before_it_retires",
            ),
        ]

    def __str__(self) -> str:
        return self.record_name

    @property
    def record_name(self) -> str:
        """Where its public half is published."""
        return f"{self.selector}._domainkey.{self.domain.name}"


class RecordCheck(models.Model):
    """The last verdict on one record. A check that the DNS left unanswered changes its `advice` only."""

    domain = models.ForeignKey(Domain, models.CASCADE, related_name="record_checks")
    purpose = models.TextField(choices=[(purpose.value, purpose.value) for purpose in RecordPurpose])
    type = models.TextField(choices=[(kind.value, kind.value) for kind in RecordType])
    name = models.TextField()
    value = models.TextField()
    status = models.TextField(choices=[(status.value, status.value) for status in RecordStatus])
    found = ArrayField(models.TextField(), default=list)
    advice = models.TextField(blank=True)
    checked_at = models.DateTimeField(null=True, help_text="When the verdict was given.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "name"], name="record_check_once"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.name}"
