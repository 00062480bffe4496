from argparse import ArgumentParser
from typing import Any

from django.db import transaction

from accounts.services import write_audit
from common.commands import ServiceCommand
from messages.management.selection import find_message
from messages.services import cancel


class Command(ServiceCommand):
    help = "Cancel scheduled emails. A cancelled email is never delivered."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="+", metavar="ID")

    def handle(self, *, ids: list[str], **_: Any) -> None:
        # All ids are looked up first, so that an error in the last one cancels none.
        for message in [find_message(text) for text in ids]:
            with transaction.atomic():
                cancelled = cancel(message)
                write_audit("command", "cancel", cancelled.pk, project=message.project.name)
            self.emit({"id": cancelled.pk, "status": cancelled.status})
