"""`export`: what is kept of an address, one item a line."""

from argparse import ArgumentParser
from typing import Any

from accounts.management.project_command import find_projects
from accounts.services import write_audit
from common.addresses import parse_address
from common.commands import ServiceCommand
from messages.lifetimes.exporting import export_address
from tracking.suppressions.erased import hash_address


class Command(ServiceCommand):
    help = (
        "Print all that a project keeps of an address, or all projects: suppressions, and emails with their events and "
        "attempts. The audit log keeps that it was asked, under the address's hash."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="The address; its case does not matter.")
        parser.add_argument("--project", help="Only this project, by name or id.")

    def handle(self, **options: Any) -> None:
        address = parse_address(options["address"]).address
        for project in find_projects(options["project"]):
            for item in export_address(project.pk, address):
                self.emit({"project": project.name, **item})
            write_audit("command", "export_address", project, hash=hash_address(project.pk, address))
