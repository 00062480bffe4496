"""`rotate_dkim`: create new DKIM keys for a domain."""

from argparse import ArgumentParser
from typing import Any

from accounts.management.audit import audited_parts
from domains.dkim_keys import Algorithm, rotate_dkim
from domains.management.domain_command import DomainCommand


class Command(DomainCommand):
    help = "Create new DKIM keys for a domain. The old keys sign until a check finds the new records."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The domain, such as example.com.")
        parser.add_argument(
            "--algorithm",
            action="append",
            choices=Algorithm.values,
            default=[],
            help="Algorithm of a new key; repeatable. Default: those of the domain's keys.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        domain = self.find_domain(options)
        with audited_parts("rotate_dkim", domain) as result:
            keys = rotate_dkim(domain, [Algorithm(name) for name in options["algorithm"]])
            result["selectors"] = [key.selector for key in keys]
        self.emit_domain(domain)
