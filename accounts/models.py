"""Tenants, their API keys, notices to them and to operators, and the audit log."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Now

from accounts import scopes, tokens
from accounts.lifetimes.models import Closing as Closing
from accounts.lifetimes.models import Retention as Retention
from accounts.metering.models import KeyLimits as KeyLimits
from accounts.metering.models import KeyUsage as KeyUsage
from accounts.metering.models import Limits as Limits
from accounts.metering.models import ProjectLimits as ProjectLimits
from accounts.metering.models import SendingCap as SendingCap
from accounts.people.models import Authenticator as Authenticator
from accounts.people.models import Identity as Identity
from accounts.people.models import Invitation as Invitation
from accounts.people.models import Membership as Membership
from accounts.people.models import RecoveryCode as RecoveryCode
from accounts.people.models import SecurityKey as SecurityKey
from accounts.people.models import Session as Session
from accounts.requests.models import RequestEntry as RequestEntry
from accounts.signing.models import SigningPair as SigningPair
from common.client_ip import IpAddress, is_within
from common.fields import EncryptedTextField
from common.ids import new_id

models.CharField.register_lookup(Length)

# A weight at the end of this range leaves every other project at least one mail in a hundred.
TURN_WEIGHTS = range(1, 101)


class Project(models.Model):
    """The tenant: every object that callers see belongs to one."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    default_from = models.CharField(
        max_length=600, blank=True, default="", help_text="The sender of emails that name none."
    )
    contact_email = models.CharField(
        max_length=254, blank=True, default="", help_text="The address that gets this project's notices."
    )
    allowed_headers = ArrayField(
        models.CharField(max_length=128),
        default=list,
        blank=True,
        help_text="Control headers of mail services that emails may have: `X-SMTPAPI` or `X-MC-*`.",
    )
    link_schemes = ArrayField(
        models.CharField(max_length=32),
        default=list,
        blank=True,
        help_text="Schemes of its own that links of its templates may have: `myapp`, `webcal`.",
    )
    turn_weight = models.PositiveSmallIntegerField(
        default=1,
        db_default=1,
        help_text="The project's mail gets this many turns where another project's gets one, 1 to 100.",
    )
    may_send_critical = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Every key of the project may send critical mail; otherwise a key needs the scope for it.",
    )
    # What the guard of tenants admits in 24 hours.
    guard_bounce_percent = models.FloatField(
        null=True,
        blank=True,
        default=5,
        db_default=5,
        help_text="Above this rate of bounces the guard slows the project's bulk mail. Empty: never.",
    )
    guard_complaint_percent = models.FloatField(
        null=True,
        blank=True,
        default=0.3,
        db_default=0.3,
        help_text="Above this rate of complaints the guard slows the project's bulk mail. Empty: never.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # A closed project sends nothing and gets no keys; see `accounts.lifetimes.closing`.
    closed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(name="project_has_name", condition=~Q(name="")),
            models.CheckConstraint(
                name="project_turn_weight", condition=Q(turn_weight__range=(TURN_WEIGHTS.start, TURN_WEIGHTS.stop - 1))
            ),
            models.CheckConstraint(
                name="project_guard_percent",
                condition=Q(guard_bounce_percent__isnull=True) | Q(guard_bounce_percent__range=(0.01, 100)),
            ),
            models.CheckConstraint(
                name="project_guard_complaint",
                condition=Q(guard_complaint_percent__isnull=True) | Q(guard_complaint_percent__range=(0.01, 100)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StreamType(models.TextChoices):
    """The kind of a stream's mail."""

    # Mail that answers an action of the recipient. An email offers an opt-out if it sets `enable_unsubscribe`.
    TRANSACTIONAL = "transactional"
    # Mail to many: every email offers an opt-out, and none is critical.
    BROADCAST = "broadcast"


class Stream(models.Model):
    """A kind of a project's mail, from which a recipient can opt out by itself. Its type never changes.

    Messages and suppressions hold the name, not a key: they outlive the stream, and an opt-out holds again for a stream
    that is made anew. Every project has the stream `default` from the start.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="streams", db_index=False)
    # An atom (RFC 2919, 3), because it begins the mail's List-Id.
    name = models.CharField(max_length=63)
    type = models.TextField(choices=StreamType.choices, default=StreamType.TRANSACTIONAL)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)
        constraints = [
            # Also serves the look-up of a project's streams.
            models.UniqueConstraint(name="stream_name_once", fields=["project", "name"]),
            models.CheckConstraint(
                name="stream_name_is_atom", condition=Q(name__regex=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")
            ),
            models.CheckConstraint(name="stream_type_known", condition=Q(type__in=StreamType.values)),
            models.CheckConstraint(
                name="stream_default_is_transactional",
                condition=~Q(name="default") | Q(type=StreamType.TRANSACTIONAL),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A caller's credential. Only its hash is stored, with a prefix that identifies it.

    A key belongs to a project, or to the installation: then it has no project and the scope `admin` alone.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, null=True, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True, default="")
    # The query that authenticates each request. Two keys may share a prefix: the hash decides.
    prefix = models.CharField(max_length=tokens.PREFIX_LENGTH, editable=False, db_index=True)
    key_hash = models.CharField(max_length=64, editable=False, unique=True)
    scopes = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    is_test = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    allowed_ips = ArrayField(
        models.CharField(max_length=49), default=list, blank=True, help_text="Addresses or networks; empty allows any."
    )
    allowed_recipients = ArrayField(
        models.CharField(max_length=256),
        default=list,
        blank=True,
        help_text="`a@example.com` or `*@example.com`; empty allows any.",
    )
    hold_for_approval = models.BooleanField(
        default=False, db_default=False, help_text="Mail of this key waits until a person approves it in the admin."
    )
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # The key that a rotation made in its place.
    replaced_by = models.OneToOneField("self", models.SET_NULL, null=True, editable=False, related_name="replaced")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-id",)
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(name="api_key_scopes_known", condition=Q(scopes__contained_by=sorted(scopes.KNOWN))),
            models.CheckConstraint(
                name="api_key_of_project_or_installation",
                condition=Q(project__isnull=False) & ~Q(scopes__contains=[scopes.ADMIN])
                | Q(project=None, scopes=[scopes.ADMIN], is_test=False),
            ),
            models.CheckConstraint(name="api_key_hash_whole", condition=Q(key_hash__length=64)),
            models.CheckConstraint(
                name="api_key_prefix_tells_test",
                condition=Q(is_test=True, prefix__startswith=tokens.TEST)
                | Q(is_test=False, prefix__startswith=tokens.LIVE),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)" if self.name else f"{self.prefix}…"

    @property
    def owner(self) -> Project:
        """The project of a project's key. The views of projects admit no other."""
        project = self.project
        assert project is not None
        return project

    @property
    def owner_id(self) -> UUID:
        project_id = self.project_id
        assert project_id is not None
        return project_id

    def has_scope(self, scope: str) -> bool:
        """Whether the key has the scope."""
        return scope in self.scopes

    def admits_critical(self) -> bool:
        """Whether mail of this key may have the priority `critical`."""
        return self.has_scope(scopes.EMAILS_SEND_CRITICAL) or self.owner.may_send_critical

    def has_expired(self, now: datetime) -> bool:
        """Whether the key has expired at `now`."""
        return self.expires_at is not None and self.expires_at <= now

    def admits_ip(self, address: IpAddress | None) -> bool:
        """Whether a client at `address` may use the key. An unknown address is allowed only if the key has no limit."""
        networks: Sequence[str] = self.allowed_ips
        return not networks or (address is not None and is_within(address, [ip_network(text) for text in networks]))

    def admits_recipient(self, address: str) -> bool:
        """Whether the key may send to `address` (bare, its domain as A-labels), ignoring case."""
        patterns: Sequence[str] = self.allowed_recipients
        lowered = address.lower()
        return not patterns or lowered in patterns or f"*@{lowered.rpartition('@')[2]}" in patterns


class Notice(models.Model):
    """A notice to a project's contact, or to the operator if it has no project."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=60)
    text = models.TextField()
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    read_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)
        indexes = [
            # Unread notices, newest first.
            models.Index(name="notice_unread", fields=["project", "-id"], condition=Q(read_at=None)),
            # messages.notices.mail: notices to be mailed.
            models.Index(name="notice_unmailed", fields=["id"], condition=Q(mailed_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class AuditEntry(models.Model):
    """A record of an actor's action on an object: who, what, when, from where, and why if that was said. Never changed.

    `origin` is the client's IP address, or `user@machine` for a command. Entries outlive the project that they name.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    object = models.CharField(max_length=200)
    project = models.ForeignKey(
        Project, models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    origin = models.CharField(max_length=200, blank=True, db_default="")
    reason = models.CharField(max_length=500, blank=True, db_default="")
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "audit entries"
        indexes = [
            # The history of one object.
            models.Index(name="audit_object", fields=["object", "id"]),
            # GET /admin/audit?project_id=…
            models.Index(name="audit_project", fields=["project", "-id"], condition=Q(project__isnull=False)),
            # GET /admin/audit?actor=…
            models.Index(name="audit_actor", fields=["actor", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object}"


class SettingsChange(models.Model):
    """A change of rows that processes cache, noted by triggers: see `ledger.cached_rows`."""

    id = models.BigAutoField(primary_key=True)
    changed_at = models.DateTimeField(db_default=Now())


class IdempotencyKey(models.Model):
    """An answered request, kept for 24 hours so that its retry gets the same response.

    Written in the transaction of the request's own rows: both are there or neither is. Only a request that talks to the
    network commits its row first, without a status and with a lease.
    """

    id = models.BigAutoField(primary_key=True)
    # Null for requests of the installation's keys.
    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="+")
    key = models.TextField()
    # Keys of live and of test API keys are apart.
    is_test = models.BooleanField(default=False, db_default=False)
    fingerprint = models.BinaryField(max_length=32)
    status = models.SmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    # One of the two is set: `secret_body` if the response contains a secret.
    body = models.JSONField(null=True)
    secret_body = EncryptedTextField(null=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "key", "is_test"], name="idempotency_key_in_world_once"),
            models.UniqueConstraint(
                fields=["key"], condition=Q(project=None), name="idempotency_key_once_of_installation"
            ),
        ]
        indexes = [
            # purge: keys older than 24 hours.
            models.Index(fields=["created_at"], name="idempotency_key_age"),
        ]
