from argparse import ArgumentParser

from django.core.management.base import CommandError

from common.commands import ServiceCommand
from common.ids import parse_id
from messages.management.pause_rows import describe_pause
from messages.models import Pause
from messages.pausing.services import end_pause
from messages.pausing.settling import settle_pause


class Command(ServiceCommand):
    help = "End a pause: its mail goes out, or with --drop fails. list_pauses shows the ids."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID")
        parser.add_argument(
            "--drop", action="store_true", help="End what is queued or delivering as failed, reason dropped."
        )

    def handle(self, *, id: str, drop: bool, **_: object) -> None:
        pk = parse_id(id)
        pause = Pause.objects.filter(pk=pk).first() if pk else None
        if pause is None:
            raise CommandError("There is no such pause.")
        if pause.ended_at is not None:
            raise CommandError("The pause has ended.")
        pause = end_pause("command", pause, should_drop=drop)
        # The first rounds were part of the end; the rest is shown as it goes.
        while count := settle_pause(pause):
            if not self.is_json:
                self.stderr.write(f"{count} recipients more")
            pause.refresh_from_db()
        pause.refresh_from_db()
        self.emit(describe_pause(pause))
