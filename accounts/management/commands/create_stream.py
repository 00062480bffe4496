from argparse import ArgumentParser

from django.db import transaction

from accounts.management.project_command import ProjectCommand
from accounts.models import StreamType
from accounts.services import write_audit
from accounts.streams import create_stream


class Command(ProjectCommand):
    help = "Create a stream: a kind of a project's mail, from which recipients can opt out by itself."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--type",
            choices=StreamType.values,
            default=StreamType.TRANSACTIONAL.value,
            help="broadcast: every email offers an opt-out, and none is critical. A type never changes.",
        )

    def handle(self, *, name: str, type: str, **options: object) -> None:
        project = self.find_project(options)
        with transaction.atomic():
            stream = create_stream(project, name=name, type_=StreamType(type))
            write_audit("command", "create_stream", stream, project=project.name, type=stream.type)
        self.emit({"id": stream.pk, "name": stream.name, "type": stream.type})
