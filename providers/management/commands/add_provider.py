"""`add_provider`: add a provider of one project, or a shared one."""

from argparse import ArgumentParser
from math import isfinite
from typing import Any

from django.core.management.base import CommandError

from accounts.services import write_audit
from providers.bounce_mailboxes import read_mailbox
from providers.management.provider_command import ProviderCommand
from providers.models import ProviderKind
from providers.serializers import ProviderFields
from providers.services import add_provider
from providers.targets import ProviderTarget, read_target

VALUES = ("name", "priority", "weight", "rate_limit", "connection_limit")


class Command(ProviderCommand):
    help = "Add a provider: by URL (smtp://user:password@host:587), or by --kind and --set."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The provider's name.")
        parser.add_argument("url", nargs="?", help="smtp://…, smtps://…, mx:, esp://postmark?server_token=…, inbox://…")
        parser.add_argument(
            "--kind", choices=ProviderKind.values, help="Kind of provider; use with --set instead of a URL."
        )
        parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="One setting; repeatable.")
        parser.add_argument("--priority", type=int, default=0, help="The lowest value is used first (default: 0).")
        parser.add_argument(
            "--weight", type=int, default=1, help="Share of the mail among providers of the same priority (default: 1)."
        )
        parser.add_argument("--rate-limit", type=read_rate, help="Messages per second for all workers together.")
        parser.add_argument("--bounce-mailbox", default="", help="imaps://user:password@host:993/folder or pop3s://…")
        parser.add_argument("--connection-limit", type=int, help="Concurrent connections for all workers together.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["url"]) == bool(options["kind"]):
            raise CommandError("Give a URL or --kind with --set.")
        settings = dict(read_setting(text) for text in options["set"])
        kind = ProviderKind(options["kind"]) if options["kind"] else None
        given = {name: options[name] for name in VALUES if options[name] is not None}
        values = self.read_values(ProviderFields(data=given))
        target = ProviderTarget(kind=kind, url=options["url"] or "", settings=settings)
        mailbox_kind, url = read_target(target, is_operated=True).kind, options["bounce_mailbox"]
        provider = add_provider(
            self.find_owner(options),
            target=target,
            is_operated=True,
            mailbox=read_mailbox(url, kind=mailbox_kind, is_operated=True) if url else None,
            **values,
        )
        write_audit("command", "add_provider", provider, id=str(provider.pk), kind=provider.kind)
        self.emit_provider(provider)


def read_setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandError(f"--set {name}: must be NAME=VALUE.")
    return name, value


def read_rate(text: str) -> float:
    rate = float(text)
    if not isfinite(rate):
        raise ValueError
    return rate
