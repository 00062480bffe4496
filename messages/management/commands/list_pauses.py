from argparse import ArgumentParser

from accounts.management.project_command import ProjectCommand
from messages.management.pause_rows import describe_pause
from messages.models import Pause


class Command(ProjectCommand):
    help = "List the pauses that hold, of all projects unless --project is given; those of the guard too."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--ended", action="store_true", help="List those that have ended.")

    def handle(self, *, ended: bool, **options: object) -> None:
        pauses = Pause.objects.select_related("project").filter(ended_at__isnull=not ended)
        if options["project"]:
            pauses = pauses.filter(project=self.find_project(options))
        for pause in pauses:
            self.emit(describe_pause(pause))
