import getpass
import sys
from argparse import ArgumentParser

from django.core.management.base import CommandError
from django.db import transaction

from accounts.management.project_command import ProjectCommand
from accounts.people.invitations import invite
from accounts.people.roles import Role
from accounts.people.services import create_user, generate_password, give_role


class Command(ProjectCommand):
    help = (
        "Create a user of the admin with a role in a project; without --project, in the whole installation. The "
        "password is asked for, or read from a line on stdin; if there is none, one is made and shown once."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The name to sign in with.")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--email", default="", help="The user's address, by which single sign-on finds them.")
        parser.add_argument(
            "--invite",
            action="store_true",
            help="Mail an invitation to --email instead, which asks for a name and a password. NAME is not used.",
        )

    def handle(self, **options: str) -> None:
        project = self.find_project(options) if options["project"] or options["invite"] else None
        if options["invite"]:
            assert project is not None
            made = invite("command", project, options["email"], Role(options["role"]))
            self.emit(
                {
                    "invitation_id": made.pk,
                    "email": made.email,
                    "role": made.role,
                    "project": project.name,
                    "expires_at": made.expires_at,
                }
            )
            return
        given = read_password()
        password = given or generate_password()
        role = Role(options["role"])
        with transaction.atomic():
            user = create_user(name=options["name"], email=options["email"], password=password)
            give_role("command", user, project, role)
        shown = {} if given else {"password": password}
        self.emit(
            {
                "id": user.pk,
                "name": user.get_username(),
                "email": user.email,
                "role": role,
                "project": project.name if project else None,
                **shown,
            }
        )


def read_password() -> str:
    """The password from the terminal, where it is asked for twice, or from a line on stdin; empty if there is none."""
    if sys.stdin is not None and sys.stdin.isatty():
        first = getpass.getpass("Password (empty: make one): ")
        if first and getpass.getpass("Password again: ") != first:
            raise CommandError("The two passwords differ.")
        return first
    try:
        return sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
    except OSError:
        # No standard input at all.
        return ""
