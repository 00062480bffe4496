"""Notices of providers whose stored settings cannot be read."""

from django.db import transaction
from django.db.models.functions import Now

from accounts.services import write_notice
from providers.configuration.stored import find_settings
from providers.models import Provider


def report_unreadable() -> None:
    """Tell each project, or the operator, of providers whose stored settings cannot be read: once, until they can."""
    found = Provider.objects.filter(is_enabled=True).select_related("project")
    for provider in found.only("kind", "name", "project", "settings", "is_operated", "unreadable_at"):
        is_unreadable = find_settings(provider) is None
        if is_unreadable == (provider.unreadable_at is not None):
            continue
        with transaction.atomic():
            # Only one of several workers changes the row.
            mine = Provider.objects.filter(pk=provider.pk, unreadable_at__isnull=is_unreadable)
            if mine.update(unreadable_at=Now() if is_unreadable else None) and is_unreadable:
                write_unreadable_notice(provider)


def write_unreadable_notice(provider: Provider) -> None:
    write_notice(
        provider.project,
        kind="provider_unreadable",
        text=(
            f"The stored settings of the provider {provider.name} cannot be read: no key of ENCRYPTION_KEYS decrypts "
            "them, or they are damaged. Its mail waits, or goes by another provider of the same project. Enter the "
            "settings again, or restore the key."
        ),
        data={"provider_id": str(provider.pk), "provider": provider.name},
    )
