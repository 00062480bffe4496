"""Second factors: an authenticator app, security keys, recovery codes for both, and for whom one is required."""

import secrets
import time
from base64 import b32encode
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from accounts.models import Authenticator, RecoveryCode, SecurityKey
from accounts.people.reach import read_roles
from accounts.people.roles import Role
from accounts.people.totp import DIGITS, find_step, new_key
from accounts.services import write_audit

CODE_COUNT = 10
CODE_BYTES = 10


def needs_factor(user: Any) -> bool:
    """Whether SECOND_FACTOR_ROLES names a role of the user; superusers count as owners, other staff as support."""
    required = set(settings.SECOND_FACTOR_ROLES)
    if not required:
        return False
    roles = {Role.OWNER} if user.is_superuser else set(read_roles(user).values()) or {Role.SUPPORT}
    return bool(required & roles)


def has_factor(user: Any) -> bool:
    """Whether the user signs in with a second factor."""
    return has_app(user) or SecurityKey.objects.filter(user=user.pk).exists()


def has_app(user: Any) -> bool:
    """Whether the user has set up an authenticator app."""
    return Authenticator.objects.filter(user=user.pk).exclude(confirmed_at=None).exists()


def start_authenticator(user: User) -> Authenticator:
    """The authenticator that waits for its first code, new if there is none."""
    made, _ = Authenticator.objects.get_or_create(user=user, defaults={"key": new_key()})
    return made


def confirm_authenticator(user: User, code: str) -> list[str] | None:
    """Take the first code: from now on each sign-in needs a second factor. Returns recovery codes, none if the user has
    some already; None for a wrong code.
    """
    with transaction.atomic():
        if not take_code(user, code, is_confirmed=False):
            return None
        Authenticator.objects.filter(user=user).update(confirmed_at=Now())
        write_audit(user.get_username(), "add_second_factor", user.get_username())
        return make_first_codes(user)


def make_first_codes(user: User) -> list[str]:
    """Recovery codes beside the user's first factor; none beside another."""
    return [] if RecoveryCode.objects.filter(user=user).exists() else make_recovery_codes(user)


def make_recovery_codes(user: User) -> list[str]:
    """New recovery codes in place of the old ones. Their text is returned only here."""
    codes = [b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower() for _ in range(CODE_COUNT)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, code_hash=hash_code(code)) for code in codes)
    return codes


def remove_factor(actor: str, user: User) -> None:
    """Let the user sign in without a second factor; where one is required, they must set up a new one."""
    with transaction.atomic():
        Authenticator.objects.filter(user=user).delete()
        SecurityKey.objects.filter(user=user).delete()
        RecoveryCode.objects.filter(user=user).delete()
        write_audit(actor, "remove_second_factor", user.get_username())


def remove_app(user: User) -> None:
    """Take the authenticator app away. Recovery codes stay as long as there is another factor."""
    with transaction.atomic():
        if Authenticator.objects.filter(user=user).delete()[0]:
            write_audit(user.get_username(), "remove_second_factor", user.get_username())
        remove_last_codes(user)


def remove_last_codes(user: User) -> None:
    """Take the recovery codes of somebody without a factor away."""
    if not has_factor(user):
        RecoveryCode.objects.filter(user=user).delete()


def check_factor(user: User, given: str) -> bool:
    """Whether `given` is a code of the user's app, or a recovery code. Of two requests at once, each holds for one."""
    code = "".join(given.split()).replace("-", "").lower()
    is_of_app = len(code) == DIGITS and code.isdigit()
    return take_code(user, code) if is_of_app else take_recovery_code(user, code)


def take_code(user: User, code: str, *, is_confirmed: bool = True) -> bool:
    rows = Authenticator.objects.filter(user=user, confirmed_at__isnull=not is_confirmed)
    row = rows.first()
    if row is None:
        return False
    step = find_step(str(row.key), "".join(code.split()), time.time(), after=row.last_step)
    return step is not None and rows.filter(last_step__lt=step).update(last_step=step) == 1


def take_recovery_code(user: User, code: str) -> bool:
    unused = RecoveryCode.objects.filter(user=user, code_hash=hash_code(code), used_at=None)
    if unused.update(used_at=Now()) != 1:
        return False
    write_audit(user.get_username(), "use_recovery_code", user.get_username())
    return True


def hash_code(code: str) -> str:
    return sha256(code.encode()).hexdigest()
