import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.management.project_command import ProjectCommand
from accounts.services import write_audit
from common.times import TimeError, parse_time
from messages.incidents.affected import Affected, IncidentFilter, list_affected
from messages.incidents.report import describe_affected, write_csv
from messages.incidents.resending import resend_affected
from messages.models import Message

T = TypeVar("T")
PROGRESS_SECONDS = 2.0
# A command that was late catches up by so much, as the relay that had failed takes no more than the rate.
CATCH_UP_SECONDS = 0.1


class Command(ProjectCommand):
    help = (
        "List whom an incident affected: recipients whose mail failed or bounced in a time, by a cause. With --rate "
        "the mail is sent again, to these recipients only and to each at most once ever, so that an interrupted run "
        "can be repeated."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", required=True, metavar="TIME", help="Such as 2030-01-31T09:00:00Z.")
        parser.add_argument("--until", metavar="TIME", help="Before this time; by default now.")
        parser.add_argument("--provider", default="", help="Name or id of the provider of the last attempt.")
        parser.add_argument("--error", default="", help="Reply code (550, 5.7.1) or reason (provider_error).")
        parser.add_argument("--like", default="", help="A part of the reply's text, or a pattern with %%.")
        parser.add_argument("--csv", metavar="FILE", help="Write the list to this file too.")
        parser.add_argument("--rate", type=read_rate, metavar="N", help="Send the mail again, N a second.")
        parser.add_argument("--dry-run", action="store_true", help="Only list, also with --rate.")

    def handle(self, *, csv: str | None, rate: float | None, dry_run: bool, **options: Any) -> None:
        incident = IncidentFilter(
            since=read_time("--since", options["since"]),
            until=read_time("--until", options["until"]) if options["until"] else timezone.now(),
            provider=options["provider"],
            error=options["error"],
            like=options["like"],
            project_id=self.find_project(options).pk if options["project"] else None,
        )
        with ExitStack() as stack:
            rows: Iterator[Affected] = list_affected(incident)
            if csv:
                rows = write_csv(stack.enter_context(Path(csv).open("w", newline="", encoding="utf-8")), rows)
            if rate and not dry_run:
                self.resend(list(rows), rate, incident)
                return
            count = 0
            for row in rows:
                count += 1
                self.emit(describe_affected(row))
        if not self.is_json:
            self.stderr.write(f"{count} recipients")

    def resend(self, rows: Sequence[Affected], rate: float, incident: IncidentFilter) -> None:
        """Accept the copies at the rate, with progress. The list was read before the first copy."""
        left: dict[UUID, list[UUID]] = defaultdict(list)
        for row in rows:
            if not row.is_resent:
                left[row.message_id].append(row.recipient_id)
        asked = {name: str(value) for name, value in vars_of(incident).items() if value}
        write_audit("command", "resend_incident", "incident", emails=len(left), rate=rate, **asked)
        sent = refused = 0
        told_at = time.monotonic()
        for number, (message_id, recipient_ids) in enumerate(at_rate(rate, left.items())):
            result = resend_affected(
                "command", Message.objects.select_related("project").get(pk=message_id), recipient_ids
            )
            sent, refused = sent + result.recipient_count, refused + (result.copy is None)
            copy = result.copy.pk if result.copy else None
            self.emit({"email_id": message_id, "copy": copy, "recipients": result.recipient_count, "error": result.why})
            if time.monotonic() - told_at > PROGRESS_SECONDS:
                told_at = time.monotonic()
                self.stderr.write(f"{number + 1} of {len(left)} emails")
        if not self.is_json:
            self.stderr.write(f"sent again to {sent} recipients; {refused} emails were not")
        if refused:
            raise CommandError(f"{refused} of {len(left)} emails could not be sent again.")


def at_rate(rate: float, things: Iterable[T]) -> Iterator[T]:
    """Yield these one by one, `rate` a second; after a delay no burst follows."""
    due_at = time.monotonic()
    for thing in things:
        time.sleep(max(0.0, due_at - time.monotonic()))
        due_at = max(due_at, time.monotonic() - CATCH_UP_SECONDS) + 1 / rate
        yield thing


def vars_of(incident: IncidentFilter) -> dict[str, object]:
    return {name: getattr(incident, name) for name in IncidentFilter.__dataclass_fields__}


def read_time(option: str, text: str) -> datetime:
    try:
        return parse_time(text)
    except TimeError as error:
        raise CommandError(f"{option}: {error.message}") from None


def read_rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 10_000:
        raise ValueError(text)
    return rate
