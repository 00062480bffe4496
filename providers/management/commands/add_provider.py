"""`add_provider`: add a provider of one project, or a shared one, once it has answered."""

import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from getpass import getpass
from math import isfinite
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from accounts.services import write_audit
from providers.bounce_mailboxes import MailboxInput, read_mailbox
from providers.connection_test import check_provider
from providers.management.provider_command import ProviderCommand
from providers.models import Provider, ProviderKind
from providers.serializers import ProviderFields
from providers.services import build_provider, store_provider
from providers.targets import ProviderTarget

VALUES = ("name", "priority", "weight", "rate_limit", "connection_limit")
# In place of a URL on the command line, which every user of the machine can read.
FROM_INPUT = "-"


class Command(ProviderCommand):
    help = (
        "Add a provider: by URL (smtp://user:password@host:587), or by --kind and --set. It is asked first, and not "
        "stored if it does not accept mail. Give `-` as the URL, or --secret NAME, to read secrets from the input."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The provider's name.")
        parser.add_argument(
            "url",
            nargs="?",
            help="smtp://…, smtps://…, mx:, esp://postmark?server_token=…, inbox://…; `-` reads it from the input.",
        )
        parser.add_argument(
            "--kind", choices=ProviderKind.values, help="Kind of provider; use with --set instead of a URL."
        )
        parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="One setting; repeatable.")
        parser.add_argument(
            "--secret",
            action="append",
            default=[],
            metavar="NAME",
            help="Read this setting from the input, a line each: a password, for example; repeatable.",
        )
        parser.add_argument("--no-check", action="store_true", help="Do not ask the provider; store it as it is.")
        parser.add_argument("--priority", type=int, default=0, help="The lowest value is used first (default: 0).")
        parser.add_argument(
            "--weight", type=int, default=1, help="Share of the mail among providers of the same priority (default: 1)."
        )
        parser.add_argument("--rate-limit", type=read_rate, help="Messages per second for all workers together.")
        parser.add_argument(
            "--bounce-mailbox",
            default="",
            help="imaps://user:password@host:993/folder or pop3s://…; `-` reads it from the input.",
        )
        parser.add_argument("--connection-limit", type=int, help="Concurrent connections for all workers together.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["url"]) == bool(options["kind"]):
            raise CommandError("Give a URL or --kind with --set.")
        if options["url"] and options["secret"]:
            raise CommandError("--secret: goes with --kind; give `-` to read the URL from the input.")
        given = {name: options[name] for name in VALUES if options[name] is not None}
        values = self.read_values(ProviderFields(data=given))
        owner = self.find_owner(options)
        provider = build_provider(owner, target=self.read_target(options), is_operated=True, **values)
        mailbox = self.open_mailbox(options["bounce_mailbox"], ProviderKind(provider.kind))
        if not options["no_check"]:
            self.ask(provider)
        with transaction.atomic():
            store_provider(provider, mailbox)
            write_audit("command", "add_provider", provider, id=str(provider.pk), kind=provider.kind)
        self.emit_provider(provider)

    def read_target(self, options: Mapping[str, Any]) -> ProviderTarget:
        url = self.read_line("URL") if options["url"] == FROM_INPUT else options["url"] or ""
        settings = dict(read_setting(text) for text in options["set"])
        settings |= {name: self.read_line(name) for name in options["secret"]}
        return ProviderTarget(
            kind=ProviderKind(options["kind"]) if options["kind"] else None, url=url, settings=settings
        )

    def read_line(self, name: str) -> str:
        """A line of the input; on a terminal it is asked for and not shown."""
        text = getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
        if not text:
            raise CommandError(f"{name}: the input has no line for it.")
        return text

    def open_mailbox(self, given: str, kind: ProviderKind) -> MailboxInput | None:
        if not given:
            return None
        url = self.read_line("bounce mailbox") if given == FROM_INPUT else given
        return read_mailbox(url, kind=kind, is_operated=True)

    def ask(self, provider: Provider) -> None:
        """Connect and log in, as `check_providers` does. CommandError if the provider does not accept mail."""
        check = check_provider(provider)
        if not check.ok:
            raise CommandError(
                f"{provider.name} does not accept mail: {check.detail}. Nothing was stored; --no-check stores it."
            )
        self.stderr.write(f"{provider.name} accepts mail: {check.detail} ({check.seconds:.2f} s).")


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
