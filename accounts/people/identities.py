"""Finds the user whom an issuer vouches for, or makes one."""

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from accounts.models import Identity, Project
from accounts.people.id_tokens import Claims
from accounts.people.oidc import SignOnError
from accounts.people.roles import Role
from accounts.people.services import InvalidUserError, create_user, give_role, record_address

ACTOR = "single sign-on"
MAX_SUBJECT = 255


def find_or_make_user(claims: Claims) -> User:
    """The user of these claims: by the issuer's own name, else by a verified address, else new with the default role.

    Raises `SignOnError` for somebody who has no account and gets none.
    """
    subject = str(claims["sub"])[:MAX_SUBJECT]
    with transaction.atomic():
        known = Identity.objects.filter(issuer=settings.OIDC_ISSUER, subject=subject).select_related("user").first()
        user = known.user if known else find_by_address(claims)
        if not user.is_active:
            raise SignOnError("Your account is closed.")
        if known is None:
            Identity.objects.create(user=user, issuer=settings.OIDC_ISSUER, subject=subject)
            record_address(ACTOR, "link_identity", user.get_username(), None, issuer=settings.OIDC_ISSUER)
    return user


def find_by_address(claims: Claims) -> User:
    email = str(claims.get("email") or "")
    domain = email.rpartition("@")[2].lower()
    if not email or claims.get("email_verified") is not True:
        raise SignOnError("The issuer has not verified your address.")
    allowed = {each.lower() for each in settings.OIDC_EMAIL_DOMAINS}
    if allowed and domain not in allowed:
        raise SignOnError("Addresses of your domain may not sign in.")
    found = list(User.objects.filter(email__iexact=email)[:2])
    if len(found) > 1:
        raise SignOnError("Several users have your address: an administrator must change that.")
    return found[0] if found else make_user(email)


def make_user(email: str) -> User:
    """A new user with OIDC_DEFAULT_ROLE, who signs in by the issuer alone."""
    if not settings.OIDC_DEFAULT_ROLE:
        raise SignOnError("You have no account here.")
    project = None
    if settings.OIDC_DEFAULT_PROJECT:
        project = Project.objects.filter(name=settings.OIDC_DEFAULT_PROJECT).first()
        if project is None:
            raise SignOnError("OIDC_DEFAULT_PROJECT names no project.")
    try:
        user = create_user(name=email, email=email, password=None)
    except InvalidUserError as error:
        raise SignOnError(error.detail) from None
    give_role(ACTOR, user, project, Role(settings.OIDC_DEFAULT_ROLE))
    return user
