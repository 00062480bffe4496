"""What a fresh installation needs to be usable at once: an administrator, a project, a key."""

from dataclasses import replace

from django.contrib.auth import get_user_model
from django.utils import timezone

from accounts import scopes
from accounts.models import ApiKey, Project
from accounts.services import create_api_key, create_project, find_key
from emailsvc.launcher.ready_file import DEMO_SENDER
from emailsvc.launcher.secrets_file import ADMIN_USER, Secrets

PROJECT_NAME = "Default"
KEY_NAME = "./run"


def provision(kept: Secrets) -> Secrets:
    """Make sure of all three. The answer is `kept` as it is true now; calling again changes nothing."""
    return replace(kept, admin_password=ensure_admin(kept.admin_password), api_key=ensure_api_key(kept.api_key))


def ensure_admin(password: str | None) -> str | None:
    """Make the administrator where there is none. The password that works, None when a person has set another."""
    users = get_user_model().objects
    admin = users.filter(username=ADMIN_USER).first()
    if admin is None:
        users.create_superuser(username=ADMIN_USER, password=password)
        return password
    return password if password and admin.check_password(password) else None


def ensure_api_key(text: str) -> str:
    """A live key with all scopes: `text` where it still is one or is not known, else a new one."""
    key = find_key(text)
    if key is not None and is_usable(key):
        grant_all(key)
        return text
    key, text = create_api_key(
        ensure_project(), name=KEY_NAME, scopes=scopes.ALL, token=text if text and key is None else None
    )
    return text


def is_usable(key: ApiKey) -> bool:
    return key.revoked_at is None and not key.has_expired(timezone.now())


def grant_all(key: ApiKey) -> None:
    """Scopes that came with a newer version are the key's too."""
    if set(key.scopes) != scopes.ALL:
        key.scopes = sorted(scopes.ALL)
        key.save(update_fields=["scopes"])


def ensure_project() -> Project:
    """The oldest project, as it is; where there is none, one that has a default sender."""
    oldest = Project.objects.order_by("id").first()
    return oldest or create_project(name=PROJECT_NAME, default_from=DEMO_SENDER, is_capped=False)
