"""`purge`: remove now what projects keep no longer, or what is older than a given time."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from accounts.lifetimes.retention import KINDS as KIND_NAMES
from accounts.lifetimes.retention import find_ends
from accounts.management.audit import audited_parts
from accounts.management.project_command import find_projects
from accounts.models import Project
from common.commands import ServiceCommand
from ledger.clock import database_time
from messages.lifetimes.kinds import KINDS

UNITS = {"d": "days", "h": "hours", "m": "minutes"}
PROGRESS_SECONDS = 5.0


class Command(ServiceCommand):
    help = (
        "Remove data that projects keep no longer, as beat does by itself, and tell how much of each kind. What "
        "belongs to open or scheduled emails stays."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kind", choices=KIND_NAMES, action="append", help="Only this kind. May be repeated.")
        parser.add_argument(
            "--older-than",
            type=read_age,
            metavar="AGE",
            help="Remove what is older than this instead of what the retention says: 30d, 12h.",
        )
        parser.add_argument("--project", help="Only this project, by name or id.")
        parser.add_argument("--dry-run", action="store_true", help="Count only.")

    def handle(self, **options: Any) -> None:
        for project in find_projects(options["project"]):
            for kind, before in self.list_ends(project, options):
                if options["dry_run"]:
                    count = KINDS[kind].count(project.pk, before)
                else:
                    count = self.remove(project, kind, before)
                self.tell(project, kind, before, count, is_dry=options["dry_run"])

    def list_ends(self, project: Project, options: Mapping[str, Any]) -> Iterable[tuple[str, datetime]]:
        """The kinds with the time before which they are over, in the order in which they are removed."""
        if options["older_than"] is not None:
            before = database_time() - options["older_than"]
            # Without a word, only what ends by itself: suppressions do not.
            ends = dict.fromkeys(options["kind"] or find_ends(project.pk), before)
        else:
            ends = dict(find_ends(project.pk))
        return [(kind, ends[kind]) for kind in KINDS if kind in ends and kind in (options["kind"] or KINDS)]

    def remove(self, project: Project, kind: str, before: datetime) -> int:
        total, told_at = 0, time.monotonic()
        with audited_parts("purge", project, id=str(project.pk), kind=kind) as result:
            for count in KINDS[kind].remove(project.pk, before):
                total += count
                if time.monotonic() - told_at >= PROGRESS_SECONDS:
                    told_at = time.monotonic()
                    self.stderr.write(f"{project.name}: {kind}: {total} so far")
            if total:
                result["count"] = total
        return total

    def tell(self, project: Project, kind: str, before: datetime, count: int, *, is_dry: bool) -> None:
        item = {"project": project.name, "kind": kind, "before": before, "count": count, "dry_run": is_dry}
        verb = "would be removed" if is_dry else "removed"
        self.emit(item, f"{project.name}: {kind}: {count} {verb}")


def read_age(text: str) -> timedelta:
    """`"30d"`, `"12h"`, `"90m"`, and `"30"` for days."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "d")
    if not (number.isascii() and number.isdigit() and len(number) <= 6):
        raise ArgumentTypeError(f"{text} is not an age such as 30d or 12h")
    return timedelta(**{UNITS[unit]: int(number)})
