"""The group Support: its members may view mail and act on it, but not add, change or delete it."""

from django.contrib.auth.models import Group, Permission
from django.core.management.base import CommandError

GROUP = "Support"
# API keys are left out; the pages of providers and endpoints show no secret.
PERMISSIONS = (
    "mail.act_message",
    "mail.view_message",
    "accounts.view_project",
    "accounts.view_requestentry",
    "accounts.view_stream",
    "domains.view_domain",
    "providers.view_provider",
    "templates.view_template",
    "tracking.release_suppression",
    "tracking.view_rollup",
    "tracking.view_suppression",
    "tracking.view_suppressionwave",
    "webhooks.view_endpoint",
    "webhooks.view_webhookdelivery",
)


def sync_support_group() -> None:
    """Create the group if it is missing and grant it every permission of the table; idempotent.

    Permissions that an administrator added by hand stay.
    """
    group, _ = Group.objects.get_or_create(name=GROUP)
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    if missing := sorted(set(PERMISSIONS) - set(known)):
        raise CommandError(f"The database has no permission {', '.join(missing)}: run migrate again.")
    group.permissions.add(*(known[name] for name in PERMISSIONS))
