from argparse import ArgumentParser

from django.db import transaction

from accounts.people.factors import remove_factor
from accounts.people.services import find_user
from accounts.people.sessions import end_sessions
from common.commands import ServiceCommand


class Command(ServiceCommand):
    help = "Remove a user's second factor and recovery codes, for somebody who has lost both, and end their sessions."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The user's name.")

    def handle(self, **options: str) -> None:
        user = find_user(options["name"])
        with transaction.atomic():
            remove_factor("command", user)
            count = end_sessions(user.pk)
        self.emit({"name": user.get_username(), "sessions_ended": count})
