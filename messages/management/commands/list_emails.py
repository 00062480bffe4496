from argparse import ArgumentParser
from itertools import islice
from typing import Any

from django.core.management.base import CommandError

from accounts.management.project_command import ProjectCommand
from common.times import format_time
from messages.api.responses import ROW
from messages.management.selection import add_filters, given_filters, read_filters, walk_projects
from messages.models import Message
from messages.selectors import with_rows

PAGE = 100


class Command(ProjectCommand):
    help = (
        "List projects' emails, newest first. The filters are those of GET /api/v1/emails; all given ones must match."
    )
    takes_several_projects = True

    def add_options(self, parser: ArgumentParser) -> None:
        add_filters(parser)
        parser.add_argument("--after", metavar="ID", help="Only emails older than this one: the next page.")
        parser.add_argument("--limit", type=int, default=20, help="The most emails to list (20); 0 for all.")

    def handle(self, *, limit: int, after: str | None, **options: Any) -> None:
        if limit < 0:
            raise CommandError("--limit: must not be negative.")
        query = read_filters(given_filters(options) | ({"after": after} if after else {}))
        ids = walk_projects(self.find_projects(options), query)
        for page in iter(lambda: list(islice(ids, PAGE)), []):
            wanted = page if not limit else page[:limit]
            for message in with_rows(Message.objects.filter(pk__in=wanted)).order_by("-id"):
                self.emit(ROW.to_representation(message), describe_email(message))
            if limit and (limit := limit - len(wanted)) <= 0:
                return


def describe_email(message: Message) -> str:
    to = ", ".join(row.address for row in message.shown_recipients[:2])
    more = f" +{len(message.shown_recipients) - 2}" if len(message.shown_recipients) > 2 else ""
    at = str(format_time(message.created_at.replace(microsecond=0)))
    return f"{message.pk}  {at}  {message.status:<10} {to}{more}  {message.subject}"
