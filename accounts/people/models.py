"""The roles that people have, and their sessions in the admin."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.people.roles import Role
from common.fields import EncryptedTextField
from common.ids import new_id


class Membership(models.Model):
    """The role of a person in a project; without a project, in the whole installation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", db_index=False)
    project = models.ForeignKey(
        "accounts.Project", models.CASCADE, null=True, blank=True, related_name="memberships", db_index=True
    )
    role = models.TextField(choices=Role.choices)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("id",)
        constraints = [
            # Also serves the look-up of a person's roles, at each of their requests.
            models.UniqueConstraint(
                name="membership_one_role_in_project", fields=["user", "project"], nulls_distinct=False
            ),
            models.CheckConstraint(name="membership_role_known", condition=Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user.get_username()}: {self.role}"


class Session(AbstractBaseSession):
    """A session of the admin: Django's columns, and whose it is, from where it began and when it was last used."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="sessions")
    address = models.CharField(max_length=200, blank=True, db_default="")
    browser = models.CharField(max_length=300, blank=True, db_default="")
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.browser} at {self.address}"


class Invitation(models.Model):
    """An offer of a role in a project to whoever reads the mail of an address. The link in the mail is stored nowhere
    here: it is the row's id with a signature.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="invitations")
    email = models.CharField("address", max_length=254)
    role = models.TextField(choices=Role.choices)
    invited_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    # The message that brings the link, and the time at which the link was taken out of what we store of it.
    message_id = models.UUIDField(null=True)
    hidden_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(name="invitation_role_known", condition=Q(role__in=Role.values)),
        ]
        indexes = [
            # messages.notices.invitations: what is to be mailed, and what to be hidden.
            models.Index(name="invitation_open", fields=["id"], condition=Q(hidden_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.role}"


class Authenticator(models.Model):
    """The authenticator app of a person: a key that both have. It counts once a code of it was entered."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="authenticator"
    )
    key = EncryptedTextField()
    # The step of the last code that was taken: none is taken twice (RFC 6238, 5.2).
    last_step = models.BigIntegerField(default=0, db_default=0)
    confirmed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"Authenticator of {self.user.get_username()}"


class SecurityKey(models.Model):
    """A security key or passkey of a person: a public key, whose other half never leaves the person's device."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="security_keys", db_index=False)
    name = models.CharField(max_length=60)
    # At most 1,023 bytes (WebAuthn, 4, "Credential ID").
    credential_id = models.BinaryField(max_length=1023)
    # As COSE writes it (RFC 9052).
    public_key = models.BinaryField()
    # Grows with each use, where the device counts; one that does not grow is that of a copy (WebAuthn, 6.1.1).
    sign_count = models.BigIntegerField(db_default=0)
    # The ways to reach it, for the browser's question.
    transports = ArrayField(models.CharField(max_length=20), default=list)
    # It asked for a PIN, finger or face when it was added, and so must at each sign-in.
    is_verifying = models.BooleanField(db_default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = [
            # Nobody registers the key of somebody else (WebAuthn, 7.1, step 26).
            models.UniqueConstraint(name="security_key_once", fields=["credential_id"]),
            # Also serves the look-up of a person's keys.
            models.UniqueConstraint(name="security_key_name_once", fields=["user", "name"]),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user.get_username()}"


class RecoveryCode(models.Model):
    """A code for a sign-in without the authenticator, once. Only its hash is kept: codes have 80 random bits."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="recovery_code_once", fields=["user", "code_hash"])]

    def __str__(self) -> str:
        return f"Recovery code of {self.user.get_username()}"


class Identity(models.Model):
    """A person as an issuer of OpenID Connect knows them: its name for them never changes, unlike their address."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(name="identity_once", fields=["issuer", "subject"])]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"
