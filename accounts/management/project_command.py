"""Shared code of commands that work on one project."""

from collections.abc import Mapping

from django.core.management.base import CommandError, CommandParser

from accounts.models import ApiKey, Project
from common.commands import ServiceCommand


class ProjectCommand(ServiceCommand):
    """A command with `--project`, which may be omitted if there is only one project."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="The project's name or id. Required only if there are several projects.")
        super().add_arguments(parser)

    def find_project(self, options: Mapping[str, object]) -> Project:
        """The project that `options` names, or the only one. Raises `CommandError` if the choice is ambiguous."""
        name = options["project"]
        found = [project for project in Project.objects.all() if not name or name in {project.name, str(project.pk)}]
        match found:
            case [project]:
                return project
            case []:
                raise CommandError(
                    f"There is no project {name}." if name else "There is no project yet. Create one first."
                )
        raise CommandError("There are several projects. Choose one with --project.")


def find_projects(name: str | None) -> list[Project]:
    """The project of that name or id, or all. Raises CommandError."""
    projects = [project for project in Project.objects.all() if not name or name in {project.name, str(project.pk)}]
    if name and not projects:
        raise CommandError(f"There is no project {name}.")
    return projects


def describe_row(key: ApiKey) -> dict[str, object]:
    """The columns of a list of keys."""
    return {
        "id": key.pk,
        "project": key.project.name if key.project else None,
        "name": key.name,
        "prefix": key.prefix,
        "test": key.is_test,
        "scopes": key.scopes,
        "allowed_ips": key.allowed_ips,
        "allowed_recipients": key.allowed_recipients,
        "hold_for_approval": key.hold_for_approval,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
        "created_at": key.created_at,
    }
