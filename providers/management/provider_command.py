"""The base class of the commands on providers."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet
from rest_framework.serializers import Serializer

from accounts.management.project_command import ProjectCommand
from accounts.models import Project
from providers.models import Provider, ProviderKind
from providers.serializers import ProviderOutput, build_events_url
from providers.services import show_settings


class ProviderCommand(ProjectCommand):
    """A command on one project's providers, or on the shared ones."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shared", action="store_true", help="Select the providers that all projects share.")
        super().add_arguments(parser)

    def read_values(self, serializer: Serializer[Any]) -> dict[str, Any]:
        """The values of the command line, validated by the API's rules. CommandError names the wrong field."""
        if serializer.is_valid():
            return dict(serializer.validated_data)
        name, problems = next(iter(dict(serializer.errors).items()))
        option = name if name in {"name", "url", "settings"} else f"--{name.replace('_', '-')}"
        raise CommandError(f"{option}: {problems[0]}")

    def find_owner(self, options: Mapping[str, object]) -> Project | None:
        """The project that `options` names, None for the shared ones."""
        if options["shared"] and options["project"]:
            raise CommandError("Give --project or --shared, not both.")
        return None if options["shared"] else self.find_project(options)

    def find_provider(self, options: Mapping[str, object]) -> Provider:
        """The provider that `options` names by id or name; a project's own provider comes before a shared one."""
        name = str(options["name"])
        found = [row for row in self.list_candidates(options) if name in {row.name, str(row.pk)}]
        if not found:
            raise CommandError(f"There is no provider {name}.")
        if len({row.project_id for row in found}) > 1 and found[0].project_id is not None:
            found = [row for row in found if row.project_id is not None]
        if len(found) > 1:
            raise CommandError(f"Several providers are named {name}. Select one with --project, --shared or its id.")
        return found[0]

    def list_candidates(self, options: Mapping[str, object]) -> QuerySet[Provider]:
        """All providers, or with --project or --shared only those."""
        rows = Provider.objects.select_related("project").order_by("project__name", "priority", "id")
        if options["shared"] or options["project"]:
            owner = self.find_owner(options)
            rows = rows.filter(project=owner)
        return rows

    def emit_provider(self, provider: Provider) -> None:
        """Print a provider: one line of JSON, or text. Shared providers are printed with their settings."""
        item = {
            **ProviderOutput(provider).data,
            "project": provider.project.name if provider.project else None,
            "settings": show_settings(provider),
            **({"events_url": build_events_url(provider)} if provider.kind == ProviderKind.ESP else {}),
        }
        health = item["health"]
        owner = item["project"] or "all projects"
        until = f"until {health['until']}" if health["until"] else ""
        told = " ".join(str(part) for part in (health["status"], until, health["reason"]) if part)
        text = f"{provider.name} ({provider.kind}, of {owner}, priority {provider.priority}): {told}"
        if "events_url" in item:
            text += f"\n  events go to {item['events_url']}"
        self.emit(item, text)
