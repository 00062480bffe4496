from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import datetime

from django.core.management.base import CommandError

from accounts.management.audit import audited_parts
from accounts.management.project_command import ProjectCommand
from common.times import TimeError, parse_time
from messages.incidents.bounce_release import BounceSelection, release_bounced, select_bounced
from tracking.models import Suppression


class Command(ProjectCommand):
    help = "Remove suppressions that bounces made from the list, by time, provider and words."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all-projects", action="store_true", help="Of all projects, in place of --project.")
        parser.add_argument("--since", metavar="TIME", help="Made at this time or later, such as 2026-01-31T00:00:00Z.")
        parser.add_argument("--until", metavar="TIME", help="Made before this time.")
        parser.add_argument("--provider", metavar="NAME", help="Caused by mail that went by this provider; name or id.")
        parser.add_argument("--like", metavar="TEXT", help="With this text in the refusal: any part, any case.")
        parser.add_argument("--dry-run", action="store_true", help="Only list them.")

    def handle(self, *, dry_run: bool, all_projects: bool, **options: str | None) -> None:
        if not any(options[name] for name in ("since", "until", "provider", "like")):
            raise CommandError("Give at least one of --since, --until, --provider, --like.")
        if all_projects and options["project"]:
            raise CommandError("Give --project or --all-projects, not both.")
        selection = BounceSelection(
            project=None if all_projects else self.find_project(options),
            since=parse_time_option("--since", options["since"]),
            until=parse_time_option("--until", options["until"]),
            provider=options["provider"] or "",
            words=options["like"] or "",
        )
        if dry_run:
            count = self.list_rows(select_bounced(selection).iterator(), is_released=False)
        else:
            criteria = {name: options[name] for name in ("since", "until", "provider", "like") if options[name]}
            owner = selection.project.name if selection.project else "all projects"
            with audited_parts("release_suppressions", owner, **criteria) as result:
                if count := self.list_rows(release_bounced(selection), is_released=True):
                    result["count"] = count
        self.stderr.write(f"{count} suppressions {'would be' if dry_run else 'were'} released.")

    def list_rows(self, rows: Iterable[Suppression], *, is_released: bool) -> int:
        count = 0
        for row in rows:
            count += 1
            item = {
                "address": row.address,
                "project": row.project.name,
                "note": row.note,
                "email_id": row.message_id,
                "created_at": row.created_at,
                "released": is_released,
            }
            self.emit(item, f"{row.address}  {row.project.name}  {row.note}")
        return count


def parse_time_option(option: str, text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except TimeError as error:
        raise CommandError(f"{option}: {error.message}") from None
