from argparse import ArgumentParser

from accounts.management.project_command import ProjectCommand
from messages.api.pauses import KINDS
from messages.management.pause_rows import describe_pause
from messages.pause_models import SHARED_KINDS, PauseKind
from messages.pausing.services import start_pause
from messages.pausing.values import read_value


class Command(ProjectCommand):
    help = "Pause mail of one kind, or a provider, until it is resumed. Mail keeps its status and expires as usual."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=[str(kind) for kind in KINDS])
        parser.add_argument(
            "value", nargs="?", default="", help="An id, name, alias, key's prefix, tag or domain; none for a project."
        )
        parser.add_argument("--reason", default="", help="Shown where the mail is explained.")
        parser.add_argument(
            "--all-projects", action="store_true", help="For all projects: domains and shared providers only."
        )

    def handle(self, *, kind: str, value: str, reason: str, all_projects: bool, **options: object) -> None:
        is_shared = all_projects and PauseKind(kind) in SHARED_KINDS
        project = None if is_shared else self.find_project(options)
        found = read_value(project, PauseKind(kind), value)
        self.emit(describe_pause(start_pause("command", project, PauseKind(kind), value=found, reason=reason)))
