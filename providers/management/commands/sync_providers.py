"""`sync_providers`: store PROVIDER_URL in the shared provider's row."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from providers.configuration.model import ProviderSettingsError
from providers.services import sync_shared_provider


class Command(BaseCommand):
    help = "Update the shared provider from PROVIDER_URL. Runs at each start."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            provider = sync_shared_provider(settings.PROVIDER_URL)
        except ProviderSettingsError as error:
            raise CommandError(f"PROVIDER_URL: {error}") from None
        self.stdout.write(f"shared provider: {provider.kind if provider else 'none'}")
