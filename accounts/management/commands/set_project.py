from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from django.db import transaction

from accounts.lifetimes.retention import find_kept_days, read_kept, set_kept_days
from accounts.management.project_command import ProjectCommand
from accounts.models import Project, SendingCap
from accounts.project_settings import (
    set_allowed_headers,
    set_guard_percent,
    set_link_schemes,
    set_may_send_critical,
    set_turn_weight,
)
from accounts.services import write_audit

# The setter of each option, and the field that it sets.
CHANGES: Mapping[str, tuple[str, Callable[[Project, Any], None]]] = {
    "allow_headers": ("allowed_headers", lambda project, text: set_allowed_headers(project, split_list(text))),
    "link_schemes": ("link_schemes", lambda project, text: set_link_schemes(project, split_list(text))),
    "turn_weight": ("turn_weight", set_turn_weight),
    "critical": ("may_send_critical", lambda project, word: set_may_send_critical(project, is_allowed=word == "yes")),
    "guard_bounces": (
        "guard_bounce_percent",
        lambda project, percent: set_guard_percent(project, "guard_bounce_percent", percent or None),
    ),
    "guard_complaints": (
        "guard_complaint_percent",
        lambda project, percent: set_guard_percent(project, "guard_complaint_percent", percent or None),
    ),
}


class Command(ProjectCommand):
    help = "Change what a project may do."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--allow-headers",
            metavar="NAMES",
            help="Control headers of mail services that its emails may have, with commas between: X-SMTPAPI,X-MC-*. "
            "The list replaces the one before; an empty one allows none.",
        )
        parser.add_argument(
            "--link-schemes",
            metavar="SCHEMES",
            help="Schemes of its own that links of its templates may have, with commas between: myapp,webcal. "
            "The list replaces the one before; an empty one allows none.",
        )
        parser.add_argument(
            "--turn-weight",
            metavar="N",
            type=int,
            help="How many of its mails go out, 1 to 100, where one of another project does while both have some.",
        )
        parser.add_argument(
            "--critical",
            choices=["yes", "no"],
            help="Whether all its keys may send critical mail, or only those with the scope emails:send:critical.",
        )

        parser.add_argument(
            "--guard-bounces",
            metavar="PERCENT",
            type=read_percent,
            help="Rate of bounces in 24 hours above which the guard slows bulk mail: 5; off: never.",
        )
        parser.add_argument(
            "--guard-complaints",
            metavar="PERCENT",
            type=read_percent,
            help="Rate of complaints in 24 hours above which the guard slows bulk mail: 0.3; off: never.",
        )
        parser.add_argument(
            "--keep",
            metavar="KIND=DAYS",
            action="append",
            default=[],
            help="Days for which a kind of data is kept: bodies=30, events=forever. May be repeated.",
        )
        parser.add_argument("--no-cap", action="store_true", help="End the cap of a new project.")

    def handle(self, **options: Any) -> None:
        project = self.find_project(options)
        kept = replace(find_kept_days(project.pk), **dict(map(read_kept, options["keep"])))
        with transaction.atomic():
            self.change(project, options)
            if options["keep"]:
                set_kept_days("command", project, kept)
        fields = {field: getattr(project, field) for field, _ in CHANGES.values()}
        self.emit({"id": project.pk, "name": project.name, **fields, "retention": asdict(kept)})

    def change(self, project: Project, options: Mapping[str, Any]) -> None:
        for option, (field, change) in CHANGES.items():
            if options[option] is not None:
                change(project, options[option])
                values = {field: getattr(project, field)}
                write_audit("command", "set_project", project, id=str(project.pk), **values)
        if options["no_cap"]:
            SendingCap.objects.filter(project=project).delete()
            write_audit("command", "set_project", project, id=str(project.pk), cap=None)


def read_percent(text: str) -> float:
    """`"off"` → 0, which stands for no threshold."""
    percent = 0.0 if text == "off" else float(text)
    if text != "off" and not 0.01 <= percent <= 100:
        raise ValueError(text)
    return percent


def split_list(text: str) -> list[str]:
    """`"a, b"` → `["a", "b"]`."""
    return [part.strip() for part in text.split(",") if part.strip()]
