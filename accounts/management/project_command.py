"""Shared code of commands that work on one project."""

from collections.abc import Mapping

from django.core.management.base import CommandError, CommandParser

from accounts.models import ApiKey, Project
from common.commands import ServiceCommand


class ProjectCommand(ServiceCommand):
    """A command with `--project`, which may be omitted if there is only one project."""

    # Whether `--project` may be given several times; such commands use `find_projects`.
    takes_several_projects = False

    def add_arguments(self, parser: CommandParser) -> None:
        words = "The project's name or id. Required only if there are several projects."
        if self.takes_several_projects:
            parser.add_argument("--project", action="append", help=f"{words} Repeatable.")
        else:
            parser.add_argument("--project", help=words)
        super().add_arguments(parser)

    def find_project(self, options: Mapping[str, object]) -> Project:
        """The project that `options` names, or the only one. Raises `CommandError` if the choice is ambiguous."""
        found = self.find_projects(options)
        if len(found) > 1:
            raise CommandError("There are several projects. Choose one with --project.")
        return found[0]

    def find_projects(self, options: Mapping[str, object]) -> list[Project]:
        """The projects that `options` names, or the only one. Raises `CommandError` if none is named among several."""
        given = options["project"]
        names = [given] if isinstance(given, str) else list(given or ())  # type: ignore[call-overload]
        projects = list(Project.objects.all())
        if not names:
            if not projects:
                raise CommandError("There is no project yet. Create one first.")
            if len(projects) > 1:
                raise CommandError("There are several projects. Choose one with --project.")
            return projects
        known = {key: project for project in projects for key in (str(project.pk), project.name)}
        if unknown := [name for name in names if name not in known]:
            raise CommandError(f"There is no project {unknown[0]}.")
        return list(dict.fromkeys(known[name] for name in names))


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
