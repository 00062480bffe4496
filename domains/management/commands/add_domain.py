"""`add_domain`: add a sending domain and show its DNS records."""

from argparse import ArgumentParser
from typing import Any

from django.db import transaction

from accounts.services import write_audit
from domains.dkim_keys import Algorithm
from domains.management.domain_command import DomainCommand
from domains.services import build_domain, store_domain


class Command(DomainCommand):
    help = "Add a sending domain and show the DNS records to publish."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The domain, such as example.com.")
        parser.add_argument("--default-from", default="", help="Default sender of mail without a From address.")
        parser.add_argument("--ed25519", action="store_true", help="Sign with Ed25519 in addition to RSA.")

    def handle(self, *args: Any, **options: Any) -> None:
        algorithms = [Algorithm.RSA, Algorithm.ED25519] if options["ed25519"] else [Algorithm.RSA]
        new = build_domain(
            self.find_project(options),
            name=options["name"],
            default_from=options["default_from"],
            algorithms=algorithms,
        )
        with transaction.atomic():
            domain = store_domain(new)
            write_audit("command", "add_domain", domain, id=str(domain.pk), project=domain.project.name)
        self.emit_domain(domain)
