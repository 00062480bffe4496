from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta

from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from accounts.installation.limits import DEFAULT_LIMITS, set_limits
from accounts.management.limit_options import add_limit_options, read_limit_options
from accounts.management.project_command import ProjectCommand
from accounts.models import SigningPair
from accounts.scopes import ADMIN
from accounts.services import create_api_key, write_audit
from accounts.signing.pairs import create_signing_pair
from common.times import TimeError, parse_time


class Command(ProjectCommand):
    help = "Create an API key. Its text is shown only once."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--scopes",
            required=True,
            help="Comma-separated scopes, such as emails:send,emails:read; or admin alone, without --project: a key of "
            "the installation, for /api/v1/admin.",
        )
        parser.add_argument("--name", default="", help="The purpose of the key.")
        parser.add_argument("--test", action="store_true", help="Create a test key: its mail never reaches a provider.")
        parser.add_argument(
            "--expires", help="When the key expires: a date (valid until its end, UTC) or a time with an offset."
        )
        parser.add_argument(
            "--allow-ip",
            action="append",
            default=[],
            help="An IP address or network that may use the key; may be repeated.",
        )
        parser.add_argument(
            "--allow-recipient",
            action="append",
            default=[],
            help="A recipient that the key may send to, a@example.com or *@example.com; may be repeated.",
        )
        parser.add_argument(
            "--hold-for-approval",
            action="store_true",
            help="Mail of the key waits until a person approves it in the admin: for agents.",
        )
        add_limit_options(parser)

    def handle(self, **options: object) -> None:
        limits = read_limit_options(options, DEFAULT_LIMITS)
        scopes = split_commas(str(options["scopes"]))
        is_of_installation = scopes == [ADMIN] and not options["project"]
        project = None if is_of_installation else self.find_project(options)
        with transaction.atomic():
            key, token = create_api_key(
                project,
                name=str(options["name"]),
                scopes=scopes,
                is_test=bool(options["test"]),
                expires_at=parse_expiry(str(options["expires"])) if options["expires"] else None,
                allowed_ips=as_list(options["allow_ip"]),
                allowed_recipients=as_list(options["allow_recipient"]),
                hold_for_approval=bool(options["hold_for_approval"]),
            )
            write_audit("command", "create_api_key", key, id=str(key.pk), scopes=key.scopes)
            if limits != DEFAULT_LIMITS:
                set_limits("command", key, limits)
            pair = {} if is_of_installation else show_pair(create_signing_pair(key))
        self.emit({"id": key.pk, "key": token, "prefix": key.prefix, "scopes": key.scopes, "test": key.is_test, **pair})


def show_pair(pair: SigningPair) -> dict[str, str]:
    """What a client of SES signs its requests with."""
    return {"aws_access_key_id": pair.access_key_id, "aws_secret_access_key": str(pair.secret)}


def as_list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def split_commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_expiry(text: str) -> datetime:
    """`2030-01-31` means the end of that day in UTC; a time needs an offset."""
    try:
        expires_at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        try:
            expires_at = parse_time(text)
        except TimeError as error:
            raise CommandError(f"--expires: {error.message}") from None
    if expires_at <= timezone.now():
        raise CommandError("--expires: must be in the future.")
    return expires_at
