"""`resume_provider`: resume a paused provider."""

from argparse import ArgumentParser
from typing import Any

from django.db import transaction

from accounts.services import write_audit
from providers.management.provider_command import ProviderCommand
from providers.services import resume_provider


class Command(ProviderCommand):
    help = "Resume a provider, whether a person or the service paused it."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The provider's name or id.")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = self.find_provider(options)
        with transaction.atomic():
            resume_provider(provider.pk)
            write_audit("command", "resume_provider", provider, id=str(provider.pk))
        provider.refresh_from_db()
        self.emit_provider(provider)
