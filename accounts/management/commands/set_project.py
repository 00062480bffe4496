from argparse import ArgumentParser
from typing import Any

from accounts.management.project_command import ProjectCommand
from accounts.project_settings import set_allowed_headers, set_link_schemes
from accounts.services import write_audit


class Command(ProjectCommand):
    help = "Change what a project may do."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--allow-headers",
            metavar="NAMES",
            help="Control headers of mail services that its emails may have, with commas between: X-SMTPAPI,X-MC-*. "
            "The list replaces the one before; an empty one allows none.",
        )
        parser.add_argument(
            "--link-schemes",
            metavar="SCHEMES",
            help="Schemes of its own that links of its templates may have, with commas between: myapp,webcal. "
            "The list replaces the one before; an empty one allows none.",
        )

    def handle(self, **options: Any) -> None:
        project = self.find_project(options)
        if options["allow_headers"] is not None:
            set_allowed_headers(project, split_list(options["allow_headers"]))
            write_audit("command", "set_project", project, id=str(project.pk), allowed_headers=project.allowed_headers)
        if options["link_schemes"] is not None:
            set_link_schemes(project, split_list(options["link_schemes"]))
            write_audit("command", "set_project", project, id=str(project.pk), link_schemes=project.link_schemes)
        self.emit(
            {
                "id": project.pk,
                "name": project.name,
                "allowed_headers": project.allowed_headers,
                "link_schemes": project.link_schemes,
            }
        )


def split_list(text: str) -> list[str]:
    """`"a, b"` → `["a", "b"]`."""
    return [part.strip() for part in text.split(",") if part.strip()]
