"""Makes people and gives them roles."""

import secrets
from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts.models import Project
from accounts.people.models import Membership
from accounts.people.reach import forget_roles
from accounts.people.roles import Role
from accounts.services import store_audit
from common.errors import ApiError, ConflictError, NotFoundError
from ledger.unique_values import is_taken

GENERATED_BYTES = 18


class InvalidUserError(ApiError):
    """This cannot be a user: {reason}"""

    code = "invalid_user"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class UserExistsError(ConflictError):
    """There is a user with this name already."""

    code = "user_exists"


class UnknownUserError(NotFoundError):
    """There is no user with this name."""

    code = "unknown_user"


class NoRoleError(NotFoundError):
    """The user has no role there."""

    code = "no_role"


def create_user(*, name: str, email: str = "", password: str | None = None) -> User:
    """A new user without a role, who cannot sign in before they have a password and a role.

    Raises `InvalidUserError` or `UserExistsError`.
    """
    user = User(username=User.normalize_username(name), email=email)
    try:
        user.full_clean(exclude=["password"], validate_unique=False)
        if email:
            validate_email(email)
        if password is not None:
            validate_password(password, user)
    except ValidationError as error:
        raise InvalidUserError(reason=" ".join(error.messages)) from None
    user.set_password(password)
    with transaction.atomic():
        if is_taken(user, username=user.username):
            raise UserExistsError
        user.save()
    return user


def generate_password() -> str:
    return secrets.token_urlsafe(GENERATED_BYTES)


def give_role(actor: str, user: User, project: Project | None, role: Role) -> tuple[Membership, bool]:
    """Give the user the role in the project, in place of the one that they had there; without a project, everywhere.

    Returns the row, and whether it is new. Recorded in the audit log.
    """
    with transaction.atomic():
        row, is_new = Membership.objects.update_or_create(user=user, project=project, defaults={"role": role})
        if not user.is_staff:
            user.is_staff = True
            user.save(update_fields=["is_staff"])
        record(actor, "give_role", user, project, role=role)
    forget_roles(user)
    return row, is_new


def take_role(actor: str, membership: Membership) -> None:
    """Take the role away. Whoever has no other right cannot sign in any more. Recorded in the audit log."""
    user, project = membership.user, membership.project
    with transaction.atomic():
        membership.delete()
        if not (user.is_superuser or has_other_rights(user)):
            User.objects.filter(pk=user.pk).update(is_staff=False)
        record(actor, "take_role", user, project, role=membership.role)
    forget_roles(user)


def has_other_rights(user: User) -> bool:
    return Membership.objects.filter(user=user).exists() or user.groups.exists() or user.user_permissions.exists()


def record(actor: str, action: str, user: User, project: Project | None, **data: Any) -> None:
    record_address(actor, action, user.get_username(), project, **data)


def record_address(actor: str, action: str, name: str, project: Project | None, **data: Any) -> None:
    """Record in the audit log what was done with a person who is known by this name or address."""
    store_audit(actor=actor, action=action, obj=name, project_id=project.pk if project else None, data=data)


def find_user(name: str) -> User:
    """Raises `UnknownUserError`."""
    user = User.objects.filter(username=name).first()
    if user is None:
        raise UnknownUserError
    return user
