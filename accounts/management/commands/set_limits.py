from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from accounts.installation.limits import find_limits, set_limits
from accounts.management.limit_options import add_limit_options, read_limit_options
from accounts.management.project_command import ProjectCommand
from accounts.models import ApiKey, Project


class Command(ProjectCommand):
    help = "Set or show the limits of a project or of a key. Limits that are not named stay as they are."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--key", metavar="PREFIX", help="A key's visible prefix or its id, in place of a project.")
        add_limit_options(parser)

    def handle(self, **options: Any) -> None:
        owner = self.find_owner(options)
        present = find_limits(owner)
        limits = read_limit_options(options, present)
        if limits != present:
            set_limits("command", owner, limits)
        self.emit({"id": owner.pk, "name": str(owner), **asdict(limits)})

    def find_owner(self, options: dict[str, Any]) -> Project | ApiKey:
        if not options["key"]:
            return self.find_project(options)
        if options["project"]:
            raise CommandError("Give --project or --key, not both.")
        keys = [key for key in ApiKey.objects.all() if options["key"] in {key.prefix, str(key.pk)}]
        if len(keys) != 1:
            raise CommandError(f"{len(keys)} keys have the prefix or id {options['key']}.")
        return keys[0]
