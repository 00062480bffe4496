"""`tail`: prints a project's events live."""

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

# The fields of an event's data that its line shows.
SHOWN = ("provider", "source", "outcome", "code", "enhanced_code", "reply", "reason", "url", "actor")


class Command(ProjectCommand):
    help = "Follow a project's events live, until Ctrl-C. With --json each event is one line of JSON."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--types", metavar="TYPE,…", default="", help="Only these, such as email.bounced.")
        parser.add_argument("--after", metavar="CURSOR", help="Start after this `next` of GET /events.")
        parser.add_argument("--all", action="store_true", help="Start at the first event that is kept.")
        parser.add_argument("--last", type=int, default=0, metavar="N", help="Start with the last N events.")
        parser.add_argument("--no-follow", action="store_true", help="Stop at the end of the feed.")

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
    # The type already names most outcomes.
    told = {name: value for name in SHOWN if (value := event.data.get(name)) not in {None, "", event.type[6:]}}
    facts = [f"{name}={value}" for name, value in told.items()]
    subject = event.address or "-"
    return "  ".join([str(format_time(event.occurred_at)), f"{event.type:<18}", str(event.message_id), subject, *facts])
