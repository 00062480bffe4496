from argparse import ArgumentParser
from typing import Any

from accounts.management.project_command import ProjectCommand
from accounts.services import set_allowed_headers, write_audit


class Command(ProjectCommand):
    help = "Change what a project may do."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--allow-headers",
            metavar="NAMES",
            help="Control headers of mail services that its emails may have, with commas between: X-SMTPAPI,X-MC-*. "
            "The list replaces the one before; an empty one allows none.",
        )

    def handle(self, **options: Any) -> None:
        project = self.find_project(options)
        if options["allow_headers"] is not None:
            names = [name.strip() for name in options["allow_headers"].split(",") if name.strip()]
            set_allowed_headers(project, names)
            write_audit("command", "set_project", project, id=str(project.pk), allowed_headers=project.allowed_headers)
        self.emit({"id": project.pk, "name": project.name, "allowed_headers": project.allowed_headers})
