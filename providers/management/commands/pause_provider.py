"""`pause_provider`: stop sending through one provider."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.db import transaction

from accounts.services import write_audit
from providers.management.provider_command import ProviderCommand
from providers.serializers import ProviderPauseInput
from providers.services import pause_provider


class Command(ProviderCommand):
    help = "Stop sending through a provider. Mail uses other providers or waits; nothing bounces."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The provider's name or id.")
        parser.add_argument(
            "--seconds",
            type=int,
            help="Length of the pause in seconds, at most 30 days. Default: until resume_provider.",
        )
        parser.add_argument("--reason", default="", help="Reason, shown in the provider's health.")

    def handle(self, *args: Any, **options: Any) -> None:
        values = self.read_values(ProviderPauseInput(data={name: options[name] for name in ("seconds", "reason")}))
        provider = self.find_provider(options)
        seconds, reason = values["seconds"], values["reason"]
        with transaction.atomic():
            pause_provider(provider.pk, reason=reason, pause=timedelta(seconds=seconds) if seconds else None)
            write_audit("command", "pause_provider", provider, id=str(provider.pk), reason=reason)
        provider.refresh_from_db()
        self.emit_provider(provider)
