"""`tail`: what happens to a project's mail, as it happens."""

import sys
from argparse import ArgumentParser
from contextlib import suppress
from uuid import UUID

from django.core.management.base import CommandError

from accounts.management.project_command import ProjectCommand
from common.times import format_time
from tracking.event_serializers import FeedEventOutput
from tracking.feed.cursor import Cursor, InvalidCursorError
from tracking.feed.pages import find_before_last, find_end
from tracking.feed.stream import follow
from tracking.models import Event, EventType

# What of an event's data is worth a place on its line.
SHOWN = ("provider", "source", "outcome", "code", "enhanced_code", "reply", "reason", "url", "actor")


class Command(ProjectCommand):
    help = "Follow a project's events as they come, until Ctrl-C. With --json one line for each."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--types", metavar="TYPE,…", default="", help="Only these, such as email.bounced.")
        parser.add_argument("--after", metavar="CURSOR", help="From an event on that GET /events named as `next`.")
        parser.add_argument("--all", action="store_true", help="From the first event that is kept.")
        parser.add_argument("--last", type=int, default=0, metavar="N", help="Begin with the last N that are there.")
        parser.add_argument("--no-follow", action="store_true", help="End where nothing more is there.")

    def handle(self, **options: object) -> None:
        project = self.find_project(options)
        types = self.read_types(str(options["types"]))
        if sys.stdout.isatty() and not options["no_follow"]:
            self.stderr.write(f"Following {project.name}. Ctrl-C ends.", self.style.NOTICE)
        with suppress(KeyboardInterrupt):
            for page in follow(project.pk, after=self.find_start(project.pk, options), types=types):
                for event in page.events:
                    self.emit(FeedEventOutput(event).data, describe_event(event))
                self.stdout.flush()
                if options["no_follow"] and not page.has_more:
                    return

    def find_start(self, project_id: UUID, options: dict[str, object]) -> Cursor:
        if options["after"]:
            try:
                return Cursor.read(str(options["after"]))
            except InvalidCursorError as error:
                raise CommandError(f"--after: {error.detail}") from None
        if options["all"]:
            return Cursor()
        last = options["last"]
        return find_before_last(project_id, last) if isinstance(last, int) and last > 0 else find_end()

    def read_types(self, text: str) -> list[str]:
        types = [part.strip() for part in text.split(",") if part.strip()]
        if unknown := [name for name in types if name not in EventType.values]:
            raise CommandError(f"There is no event type {unknown[0]}. There are: {', '.join(EventType.values)}.")
        return types


def describe_event(event: Event) -> str:
    """An event as one line."""
    # The type says most outcomes already.
    told = {name: value for name in SHOWN if (value := event.data.get(name)) not in {None, "", event.type[6:]}}
    facts = [f"{name}={value}" for name, value in told.items()]
    subject = event.address or "-"
    return "  ".join([str(format_time(event.occurred_at)), f"{event.type:<18}", str(event.message_id), subject, *facts])
