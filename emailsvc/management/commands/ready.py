"""`ready PROGRAM`: whether a program that is no web server can do its work, for probes of containers."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError

from common.commands import ServiceCommand
from emailsvc.web.health import check_database
from gateways.smtp.probe import find_obstacle

SUBMISSION_ADDRESS = "127.0.0.1:587"


def find_submission_obstacle(address: str) -> str:
    return find_obstacle(address or settings.SUBMISSION_ADDRESS or SUBMISSION_ADDRESS)


# Program → what it lacks beside the database, empty if nothing.
PROGRAMS: Mapping[str, Callable[[str], str]] = {"submission": find_submission_obstacle}


class Command(ServiceCommand):
    help = "Tell whether a program can do its work; the exit status is 1 if it cannot."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("program", choices=sorted(PROGRAMS))
        parser.add_argument("--address", default="", help="Where it listens, host:port. Default: SUBMISSION_ADDRESS.")

    def handle(self, *_: Any, program: str, address: str, **__: Any) -> None:
        try:
            check_database()
            obstacle = PROGRAMS[program](address)
        except DatabaseError:
            obstacle = "the database does not answer"
        if obstacle:
            raise CommandError(f"{program}: {obstacle}")
        self.emit({"program": program, "status": "ready"}, f"{program}: ready")
