from argparse import ArgumentParser

from accounts.management.project_command import ProjectCommand, describe_row
from accounts.models import ApiKey


class Command(ProjectCommand):
    help = "List API keys, newest first; of all projects unless --project is given."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--active", action="store_true", help="List only keys that are not revoked.")

    def handle(self, **options: object) -> None:
        keys = ApiKey.objects.select_related("project")
        if options["project"]:
            keys = keys.filter(project=self.find_project(options))
        if options["active"]:
            keys = keys.filter(revoked_at=None)
        for key in keys:
            self.emit(describe_row(key))
