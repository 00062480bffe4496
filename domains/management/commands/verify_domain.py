"""`verify_domain`: check a domain's DNS records now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.management.audit import audited_parts
from domains.domain_status import DomainStatus
from domains.management.domain_command import DomainCommand
from domains.models import Domain
from domains.verification import verify_domain


class Command(DomainCommand):
    help = "Check a sending domain's DNS records now and show the result. Exits with 1 if one is not verified."
    takes_several_projects = True

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="The domain, such as example.com.")
        parser.add_argument("--all", action="store_true", help="Check all domains of the projects, one after another.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["name"]) == options["all"]:
            raise CommandError("Give one domain or --all.")
        if options["name"]:
            domains = [self.find_domain(options)]
        else:
            domains = [domain for project in self.find_projects(options) for domain in project.domains.order_by("name")]
        unverified = [domain.name for domain in domains if not self.verify(domain)]
        if unverified:
            self.stderr.write(f"{len(unverified)} of {len(domains)} not verified: {', '.join(unverified)}.")
            raise SystemExit(1)

    def verify(self, domain: Domain) -> bool:
        """Whether the needed records are in place: a domain in `warning` still sends, but has lost one."""
        with audited_parts("verify_domain", domain, id=str(domain.pk)) as result:
            verified = verify_domain(domain)
            result["status"] = verified.status
        self.emit_domain(verified)
        return verified.status == DomainStatus.VERIFIED
