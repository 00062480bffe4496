import base64
import mimetypes
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from accounts.acting_for import Delegate
from accounts.management.project_command import ProjectCommand
from accounts.services import write_audit
from common.errors import ApiError
from messages.accepting.admission import Admission
from messages.api.serializers import read_draft
from messages.management.selection import as_command_error
from messages.models import Message
from messages.services import upload_and_prepare
from messages.states import TERMINAL, Lane, Status

# The API's limit for all attachments together, and room for a body.
MAX_FILE = 16 * 1024 * 1024
WAIT_STEP = 0.2
SETTLED = {*TERMINAL, Status.DELIVERED, Status.SENT, Status.SCHEDULED}


class Command(ProjectCommand):
    help = "Send an email for a project. The rules of POST /api/v1/emails apply."

    def add_options(self, parser: ArgumentParser) -> None:
        address: dict[str, Any] = {"action": "append", "default": [], "metavar": "ADDRESS"}
        parser.add_argument("--to", **address, help="a@example.com or 'Name <a@example.com>'; may be repeated.")
        parser.add_argument("--cc", **address, help="May be repeated.")
        parser.add_argument("--bcc", **address, help="May be repeated; no header names blind copies.")
        parser.add_argument("--from", dest="from_", metavar="ADDRESS", help="Default: the project's default sender.")
        parser.add_argument("--reply-to", **address, help="May be repeated.")
        parser.add_argument("--subject")
        parser.add_argument("--text", help="The text part; - reads it from stdin.")
        parser.add_argument(
            "--html-file", metavar="FILE", help="The HTML part. Without --text, the text part is made from it."
        )
        parser.add_argument("--attach", action="append", default=[], metavar="FILE", help="May be repeated.")
        parser.add_argument("--template", metavar="ID_OR_ALIAS", help="A published template in place of content.")
        parser.add_argument(
            "--var",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="A variable of the template; may be repeated.",
        )
        parser.add_argument("--at", metavar="TIME", help="Send at this time, such as 2030-01-31T12:00:00Z.")
        parser.add_argument("--tag", action="append", default=[], help="May be repeated.")
        parser.add_argument("--stream", metavar="NAME", help="The stream of the email. Default: default.")
        parser.add_argument("--priority", choices=Lane.values)
        parser.add_argument("--test", action="store_true", help="Send as with a test key: nothing reaches a provider.")
        parser.add_argument(
            "--wait", type=float, metavar="SECONDS", help="Wait at most this long until it is sent; else fail."
        )

    def handle(self, *, test: bool, wait: float | None, **options: Any) -> None:
        project = self.find_project(options)
        try:
            caller = Delegate(project=project, is_test=test)
            admitted = Admission(caller).admit(*read_draft(build_body(options)))
            prepared = upload_and_prepare(caller, [admitted])
            with transaction.atomic():
                [message] = prepared.store()
                write_audit("command", "send", message.pk, project=project.name)
        except ApiError as error:
            raise as_command_error(error) from None
        if wait:
            await_departure(message, wait)
        self.emit({"id": message.pk, "status": message.status})
        if wait and message.status not in SETTLED:
            raise CommandError(f"It is still {message.status} after {wait:g} s: show_email {message.pk} explains it.")


def build_body(options: dict[str, Any]) -> dict[str, Any]:
    """Build the request body that an API client would post."""
    text = sys.stdin.read() if options["text"] == "-" else options["text"]
    return {
        **{name: options[name] for name in ("to", "cc", "bcc", "reply_to", "subject", "from_", "stream", "priority")},
        "text": text,
        "html": read_file(options["html_file"]).decode(errors="replace") if options["html_file"] else None,
        "template_id": options["template"],
        "template_vars": dict(read_variable(text) for text in options["var"]),
        "scheduled_at": options["at"],
        "tags": options["tag"],
        "attachments": [build_attachment(name) for name in options["attach"]],
    }


def build_attachment(name: str) -> dict[str, str]:
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    content = base64.b64encode(read_file(name)).decode()
    return {"filename": Path(name).name, "content_type": content_type, "content_b64": content}


def read_file(name: str) -> bytes:
    try:
        if (size := Path(name).stat().st_size) > MAX_FILE:
            raise CommandError(f"{name}: has {size} bytes, more than an email may have.")
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}.") from None


def read_variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise CommandError(f"--var {text}: must be NAME=VALUE.")
    return name, value


def await_departure(message: Message, seconds: float) -> None:
    """Wait at most `seconds` for a status that needs no more waiting, and refresh `message.status`."""
    deadline = time.monotonic() + seconds
    while message.status not in SETTLED and time.monotonic() < deadline:
        time.sleep(WAIT_STEP)
        message.refresh_from_db(fields=["status"])
