"""Invitations: made by owners, mailed by `messages.notices.invitations`, accepted once by the link in the mail."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from accounts.models import Invitation, Project
from accounts.people.roles import Role
from accounts.people.services import create_user, give_role, record_address
from accounts.services import store_audit
from common.addresses import AddressError, parse_address
from common.errors import FieldError, InvalidFieldsError, NotFoundError

VALID = timedelta(days=3)
SALT = "emailsvc.invitation"


class InvalidInvitationError(NotFoundError):
    """The invitation is unknown, was accepted or withdrawn, or has expired."""

    code = "invalid_invitation"


def invite(actor: str, project: Project, email: str, role: Role) -> Invitation:
    """Invite whoever reads the mail of this address; an earlier open invitation of the address ends.

    The mail follows within half a minute. Errors as of `check_invitation`.
    """
    address = check_invitation(project, email)
    with transaction.atomic():
        Invitation.objects.filter(project=project, email=address, accepted_at=None).delete()
        made = Invitation.objects.create(
            project=project, email=address, role=role, invited_by=actor[:200], expires_at=timezone.now() + VALID
        )
        record_address(actor, "invite", address, project, role=role)
    return made


def check_invitation(project: Project, email: str) -> str:
    """The bare address. Raises InvalidFieldsError for a wrong one, and where nobody could be the sender."""
    try:
        address = parse_address(email).address
    except AddressError as error:
        raise InvalidFieldsError([FieldError("email", error.code, error.message)]) from None
    if not (project.default_from or settings.NOTICE_FROM):
        message = "The project has no default sender, and NOTICE_FROM is not set: nobody could send the invitation."
        raise InvalidFieldsError([FieldError("email", "no_sender", message)])
    return address


def withdraw(actor: str, invitation: Invitation) -> None:
    """End an invitation; a role that it gave stays."""
    with transaction.atomic():
        invitation.delete()
        record_address(actor, "withdraw_invitation", invitation.email, invitation.project)


def build_link(invitation: Invitation) -> str:
    """The link that accepts the invitation."""
    token = signing.dumps(str(invitation.pk), salt=SALT)
    return f"{settings.PUBLIC_URL}{reverse('join', args=[token])}"


def find_invitation(token: str) -> Invitation:
    """The open invitation of a link's token. Raises `InvalidInvitationError`."""
    try:
        pk = UUID(signing.loads(token, salt=SALT, max_age=VALID))
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidInvitationError from None
    return lock_invitation(pk, is_locked=False)


def lock_invitation(pk: UUID, *, is_locked: bool = True) -> Invitation:
    rows = Invitation.objects.select_related("project").filter(pk=pk, accepted_at=None, expires_at__gt=Now())
    found = (rows.select_for_update(of=("self",)) if is_locked else rows).first()
    if found is None:
        raise InvalidInvitationError
    return found


def accept_as_new(invitation: Invitation, *, name: str, password: str) -> User:
    """Make a user with the invitation's address and role. Raises `InvalidInvitationError`, or as `create_user`."""
    with transaction.atomic():
        open_one = lock_invitation(invitation.pk)
        user = create_user(name=name, email=open_one.email, password=password)
        accept(open_one, user)
    return user


def accept_as(invitation: Invitation, user: User) -> None:
    """Give a present user the invitation's role. Raises `InvalidInvitationError`."""
    with transaction.atomic():
        accept(lock_invitation(invitation.pk), user)


def accept(invitation: Invitation, user: User) -> None:
    give_role(user.get_username(), user, invitation.project, Role(invitation.role))
    Invitation.objects.filter(pk=invitation.pk).update(accepted_at=Now(), accepted_by=user)
    store_audit(
        actor=user.get_username(),
        action="accept_invitation",
        obj=invitation.email,
        project_id=invitation.project_id,
        data={"invited_by": invitation.invited_by},
    )
