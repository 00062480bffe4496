"""`close_project`: end a project, or open it again before its deletion has begun."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.lifetimes.closing import GRACE_DAYS, MOST_GRACE_DAYS, close_project, reopen_project
from accounts.management.project_command import find_projects
from common.commands import ServiceCommand


class Command(ServiceCommand):
    help = (
        "Close a project: its keys are revoked, its mail on the way ends, and after some days all its rows are "
        "deleted. Until then --reopen takes it back; keys stay revoked."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="The project's name or id.")
        parser.add_argument(
            "--delete-after", metavar="DAYS", type=int, default=GRACE_DAYS, help=f"Days of grace: {GRACE_DAYS}."
        )
        parser.add_argument("--reopen", action="store_true", help="Open it again.")

    def handle(self, **options: Any) -> None:
        [project] = find_projects(options["project"])
        if options["reopen"]:
            reopen_project("command", project)
            self.emit({"project": project.name, "closed_at": None})
            return
        if not 0 <= options["delete_after"] <= MOST_GRACE_DAYS:
            raise CommandError(f"--delete-after: must be a number of days from 0 to {MOST_GRACE_DAYS}.")
        row = close_project("command", project, options["delete_after"])
        self.emit(
            {
                "project": row.project_name,
                "id": row.project_id,
                "closed_at": row.closed_at,
                "delete_at": row.delete_at,
            }
        )
