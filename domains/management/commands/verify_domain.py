"""`verify_domain`: check a domain's DNS records now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.services import write_audit
from domains.management.domain_command import DomainCommand
from domains.models import Domain
from domains.verification import verify_domain


class Command(DomainCommand):
    help = "Check a sending domain's DNS records now and show the result."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="The domain, such as example.com.")
        parser.add_argument("--all", action="store_true", help="Check all domains of the project, one after another.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["name"]) == options["all"]:
            raise CommandError("Give one domain or --all.")
        if options["name"]:
            self.verify(self.find_domain(options))
            return
        for domain in self.find_project(options).domains.order_by("name"):
            self.verify(domain)

    def verify(self, domain: Domain) -> None:
        verified = verify_domain(domain)
        write_audit("command", "verify_domain", verified, id=str(verified.pk), status=verified.status)
        self.emit_domain(verified)
