"""Sending domains, their DKIM keys, and the last check of each of their records."""

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
    """A sending domain of a project. Several projects may have the same name, each with its own proof and keys."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="domains")
    # In the form of `domain_names.canonical_name`; compared with the sender's domain when mail is accepted.
    name = models.TextField()
    # `a@b.c` or `Name <a@b.c>`: the sender of mail without a From address.
    default_from = models.TextField(blank=True)
    ownership_token = models.TextField(editable=False)
    status = models.TextField(choices=DomainStatus.choices, default=DomainStatus.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True, blank=True, help_text="Time of the first verification.")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="Start of the last check.")
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="Time at which a necessary record was first missing."
    )
    next_check_at = models.DateTimeField(help_text="Time of the next periodic check.")
    # Whether the tracking host answered over HTTPS as this service; only then links use it.
    is_tracking_usable = models.BooleanField(default=False, editable=False)
    # Why it did not; empty if it did or was not asked.
    tracking_fault = models.TextField(blank=True, editable=False)

    class Meta:
        indexes = [
            # recheck_domains: the due domains, the longest due first.
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
        """Whether the domain is verified, with or without a warning."""
        return self.status in SENDING


class DkimKeyManager(models.Manager["DkimKey"]):
    """Defers the private key, which most queries do not need."""

    def get_queryset(self) -> models.QuerySet["DkimKey"]:
        return super().get_queryset().defer("private_key")


class DkimKey(models.Model):
    """A DKIM key that waits for its record, signs, or is retired. The private key is encrypted at rest."""

    class Algorithm(models.TextChoices):
        RSA = "rsa-sha256", "RSA"
        ED25519 = "ed25519-sha256"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    domain = models.ForeignKey(Domain, models.CASCADE, related_name="dkim_keys")
    selector = models.TextField()
    algorithm = models.TextField(choices=Algorithm.choices)
    private_key = EncryptedTextField(editable=False)
    # The value of the TXT record, stored so that showing it needs no decryption.
    public_record = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(
        null=True, blank=True, help_text="Time at which a check found the record; the key signs since then."
    )
    retired_at = models.DateTimeField(null=True, blank=True, help_text="Time at which a newer key replaced this one.")

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
        """The DNS name of the public key's record."""
        return f"{self.selector}._domainkey.{self.domain.name}"


class RecordCheck(models.Model):
    """The last verdict on one record. A check whose DNS query failed changes only `advice`."""

    domain = models.ForeignKey(Domain, models.CASCADE, related_name="record_checks")
    purpose = models.TextField(choices=[(purpose.value, purpose.value) for purpose in RecordPurpose])
    type = models.TextField(choices=[(kind.value, kind.value) for kind in RecordType])
    name = models.TextField()
    value = models.TextField()
    status = models.TextField(choices=[(status.value, status.value) for status in RecordStatus])
    found = ArrayField(models.TextField(), default=list)
    advice = models.TextField(blank=True)
    checked_at = models.DateTimeField(null=True, help_text="Time of the verdict.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "name"], name="record_check_once"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.name}"
