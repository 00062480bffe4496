"""Users of the admin in tests."""

from django.contrib.auth.models import Group, User
from django.test import Client

from emailsvc.admin_site.support_group import GROUP, sync_support_group

BACKEND = "django.contrib.auth.backends.ModelBackend"


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def superuser() -> Client:
    return log_in(User.objects.create_superuser("root", password="correct horse"))


def support() -> Client:
    """A member of the group Support, and nothing else."""
    user = User.objects.create_user("sue", is_staff=True)
    sync_support_group()
    user.groups.add(Group.objects.get(name=GROUP))
    return log_in(user)
