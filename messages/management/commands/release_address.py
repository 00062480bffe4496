from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from accounts.acting_for import Delegate
from accounts.management.project_command import ProjectCommand
from accounts.services import write_audit
from common.addresses import parse_address
from common.times import TimeError, parse_time
from messages.suppressed_mail import ReleaseResult, release_address
from tracking.models import SuppressionReason
from tracking.suppressions.serializers import STREAM_FILTER, read_selection


class Command(ProjectCommand):
    help = "Remove an address from the suppression list. With --resend, also resend its suppressed emails."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", metavar="ADDRESS")
        parser.add_argument("--reason", choices=SuppressionReason.values, help="Only entries with this reason.")
        parser.add_argument("--stream", metavar="NAME", help=STREAM_FILTER)
        parser.add_argument("--resend", action="store_true", help="Resend the suppressed emails to this address.")
        parser.add_argument(
            "--since",
            metavar="TIME",
            help="Resend only emails suppressed after this time, such as 2026-01-31T00:00:00Z.",
        )

    def handle(self, *, address: str, resend: bool, since: str | None, **options: Any) -> None:
        project = self.find_project(options)
        try:
            begun_at = parse_time(since) if since else None
        except TimeError as error:
            raise CommandError(f"--since: {error.message}") from None
        bare = parse_address(address).address.lower()
        given = {name: options[name] for name in ("reason", "stream") if options[name]}
        selection = read_selection(given)
        with transaction.atomic():
            found = release_address(Delegate(project=project), bare, selection, should_resend=resend, since=begun_at)
            if found is None:
                raise CommandError(f"{bare} is not on the suppression list{' with these options' if given else ''}.")
            write_audit("command", "release", bare, project=project.name, **release_as_json(found))
        self.emit({"address": bare, **release_as_json(found)}, release_as_text(found))


def release_as_json(found: ReleaseResult) -> dict[str, object]:
    return {
        "reason": found.suppressions[0].reason,
        "released": [{"reason": row.reason, "stream": row.stream} for row in found.suppressions],
        "resent": [str(new.pk) for new in found.resent],
        "refused": {str(item.message.pk): item.error.public_code for item in found.refused},
        "left_count": found.left_count,
    }


def release_as_text(found: ReleaseResult) -> str:
    lines = [
        *(
            f"{row.address} was released; the reason of its suppression was {row.reason}"
            f"{f', for the stream {row.stream}' if row.stream else ''}."
            for row in found.suppressions
        ),
        *(f"{new.resent_from_id} resent as {new.pk}" for new in found.resent),
        *(f"{item.message.pk} not resent: {item.error.detail}" for item in found.refused),
    ]
    if found.left_count:
        lines.append(f"{found.left_count} older emails not resent because of the limit; resend them one by one.")
    return "\n".join(lines)
