"""`check_providers`: test every provider now."""

from argparse import ArgumentParser
from typing import Any

from providers.connection_test import check_provider
from providers.management.provider_command import ProviderCommand
from providers.routing.health import describe_health


class Command(ProviderCommand):
    help = "Test whether each provider accepts mail, without sending any. Fails when an enabled provider does not."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="Test only this provider; name or id.")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = [self.find_provider(options)] if options["name"] else list(self.list_candidates(options))
        failed = []
        for provider in rows:
            check = check_provider(provider)
            owner = provider.project.name if provider.project else None
            item = {
                "id": provider.pk,
                "name": provider.name,
                "project": owner,
                "kind": provider.kind,
                "enabled": provider.is_enabled,
                "health": describe_health(provider).status,
                "ok": check.ok,
                "detail": check.detail,
                "seconds": check.seconds,
            }
            notes = "" if item["health"] in {"ok", "failing"} else f", {item['health']}"
            verdict = "ok    " if check.ok else "FAILED"
            self.emit(item, f"{verdict} {provider.name} ({provider.kind}{notes}): {check.detail}")
            self.stdout.flush()
            if provider.is_enabled and not check.ok:
                failed.append(provider.name)
        if failed:
            self.stderr.write(f"{len(failed)} of {len(rows)} providers do not accept mail: {', '.join(failed)}.")
            raise SystemExit(1)
