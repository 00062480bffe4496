"""`domain_records`: show a domain's records and the result of the last check."""

from argparse import ArgumentParser
from typing import Any

from domains.dns.zone_file import zone_line
from domains.management.domain_command import DomainCommand
from domains.published_records import records_of


class Command(DomainCommand):
    help = "Show the DNS records of a sending domain and the result of the last check."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The domain, such as example.com.")
        parser.add_argument("--zone", action="store_true", help="Print zone file lines.")

    def handle(self, *args: Any, **options: Any) -> None:
        domain = self.find_domain(options)
        if not options["zone"]:
            self.emit_records(domain)
            return
        for record in records_of(domain):
            self.emit({"line": zone_line(record)}, zone_line(record))
