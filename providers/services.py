"""What others may ask of providers."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from providers.addresses import parse_provider_url
from providers.choice import routes
from providers.models import Provider

# The row that PROVIDER_URL is kept in.
SHARED_NAME = "default"

# A provider that refuses our credentials is tried again after this: somebody may have mended them.
AUTH_PAUSE = timedelta(minutes=5)


def sync_shared_provider(url: str) -> Provider | None:
    """Make the shared provider what `url` says: create it, change it, or disable it when `url` is empty.

    ProviderUrlError when the URL cannot be used; nothing is changed then.
    """
    with transaction.atomic():
        if not url:
            Provider.objects.filter(project=None, name=SHARED_NAME).update(is_enabled=False)
            provider = None
        else:
            kind = parse_provider_url(url).kind
            present = Provider.objects.filter(project=None, name=SHARED_NAME).first()
            if present and present.url == url and present.is_enabled:
                return present
            provider, _ = Provider.objects.update_or_create(
                project=None,
                name=SHARED_NAME,
                defaults={"kind": kind, "url": url, "is_enabled": True, "paused_until": None, "pause_reason": ""},
            )
    routes.forget()
    return provider


def has_shared_provider() -> bool:
    """Whether every project has a way out."""
    return Provider.objects.filter(project=None, is_enabled=True).exists()


def pause_provider(provider_id: UUID, *, reason: str, pause: timedelta = AUTH_PAUSE) -> None:
    """Claim nothing for this provider for a while. Mail waits, nothing bounces."""
    Provider.objects.filter(pk=provider_id).update(paused_until=Now() + pause, pause_reason=reason[:500])
    routes.forget()
