from argparse import ArgumentParser

from accounts.management.project_command import ProjectCommand
from accounts.people.models import Membership
from accounts.people.roles import Role
from accounts.people.services import NoRoleError, find_user, give_role, take_role


class Command(ProjectCommand):
    help = (
        "Give a user a role in a project, in place of the one that they have there; without --project, in the whole "
        "installation."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The user's name.")
        parser.add_argument("role", choices=[*Role.values, "none"], help="`none` takes the role away.")

    def handle(self, **options: str) -> None:
        project = self.find_project(options) if options["project"] else None
        user, role = find_user(options["name"]), options["role"]
        if role == "none":
            row = Membership.objects.filter(user=user, project=project).first()
            if row is None:
                raise NoRoleError
            take_role("command", row)
        else:
            give_role("command", user, project, Role(role))
        self.emit({"name": user.get_username(), "role": role, "project": project.name if project else None})
