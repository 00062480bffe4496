"""Replaces a key by a new one with the same rights."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.installation.limits import copy_limits
from accounts.models import ApiKey
from accounts.services import create_api_key
from common.errors import ConflictError


class KeyNotActiveError(ConflictError):
    """The key was revoked or has expired."""

    code = "key_not_active"


class KeyReplacedError(ConflictError):
    """The key was rotated before; rotate the key that replaced it."""

    code = "key_replaced"


class KeyOfInstallationError(ConflictError):
    """A key of the installation is made by the command create_api_key alone."""

    code = "key_of_installation"


def rotate_api_key(key: ApiKey, overlap: timedelta) -> tuple[ApiKey, str]:
    """A new key with the name, scopes and limits of `key`, and its text. The old key works until `overlap` is over.

    Raises `KeyNotActiveError`, `KeyReplacedError` or `KeyOfInstallationError`.
    """
    with transaction.atomic():
        # Of two rotations at once, the second finds the key replaced.
        old = ApiKey.objects.select_for_update(of=("self",)).select_related("project").get(pk=key.pk)
        now = timezone.now()
        if old.project is None:
            raise KeyOfInstallationError
        if old.replaced_by_id is not None:
            raise KeyReplacedError
        if old.revoked_at is not None or old.has_expired(now):
            raise KeyNotActiveError
        new, text = create_api_key(
            old.project,
            name=old.name,
            scopes=old.scopes,
            is_test=old.is_test,
            expires_at=old.expires_at,
            allowed_ips=old.allowed_ips,
            allowed_recipients=old.allowed_recipients,
            hold_for_approval=old.hold_for_approval,
        )
        copy_limits(old, new)
        end = now + overlap
        old.expires_at = min(old.expires_at or end, end)
        old.replaced_by = new
        old.save(update_fields=["expires_at", "replaced_by"])
    return new, text
