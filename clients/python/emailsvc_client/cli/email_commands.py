"""`send`, `dry-run`, `list`, `show` and `explain`."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, cast

from emailsvc_client.cli.output import Output, describe
from emailsvc_client.client import Client
from emailsvc_client.errors import ConfigurationError
from emailsvc_client.files import attach
from emailsvc_client.objects import EmailFields

# Option → field, for those that are one text.
TEXTS = {
    "from": "from_",
    "subject": "subject",
    "text": "text",
    "html": "html",
    "stream": "stream",
    "at": "scheduled_at",
    "template": "template_id",
    "locale": "locale",
    "priority": "priority",
    "expires": "expires_at",
}
LISTS = {"to": "to", "cc": "cc", "bcc": "bcc", "reply-to": "reply_to", "tag": "tags"}
PAIRS = {"metadata": "metadata", "header": "headers", "var": "template_vars"}
FROM_FILES = {"text-file": "text", "html-file": "html"}


def add_email_options(parser: ArgumentParser) -> None:
    """One option for each field of an email; `-` as a file is stdin."""
    for name in TEXTS:
        parser.add_argument(f"--{name}", metavar="TEXT")
    for name in LISTS:
        parser.add_argument(f"--{name}", metavar="VALUE", action="append", help="may be repeated")
    for name in PAIRS:
        parser.add_argument(f"--{name}", metavar="NAME=VALUE", action="append", help="may be repeated")
    for name in FROM_FILES:
        parser.add_argument(f"--{name}", metavar="FILE")
    parser.add_argument("--attach", metavar="FILE", action="append", help="may be repeated")
    parser.add_argument("--body", metavar="FILE", help="the fields as a JSON object; options win over it")


def read_fields(arguments: Namespace) -> EmailFields:
    """The email that the options describe. Raises ConfigurationError and OSError."""
    given = {name.replace("_", "-"): value for name, value in vars(arguments).items() if value is not None}
    fields: dict[str, Any] = read_body(given["body"]) if "body" in given else {}
    fields |= {field: given[name] for name, field in {**TEXTS, **LISTS}.items() if name in given}
    fields |= {field: dict(map(read_pair, given[name])) for name, field in PAIRS.items() if name in given}
    fields |= {field: read_file(given[name]) for name, field in FROM_FILES.items() if name in given}
    if "attach" in given:
        fields["attachments"] = [attach(Path(path)) for path in given["attach"]]
    return cast(EmailFields, fields)


def read_pair(text: str) -> tuple[str, str]:
    name, has_value, value = text.partition("=")
    if not has_value:
        raise ConfigurationError(f"{text!r} is not NAME=VALUE.")
    return name, value


def read_file(path: str) -> str:
    return sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")


def read_body(path: str) -> dict[str, Any]:
    try:
        found = json.loads(read_file(path))
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} is not a JSON object.")
    return found


def send(arguments: Namespace, output: Output, client: Client) -> int:
    email = client.send_email(idempotency_key=arguments.idempotency_key, **read_fields(arguments))
    output.show(email, [describe(email)])
    return 0


def dry_run(arguments: Namespace, output: Output, client: Client) -> int:
    told = client.dry_run_email(**read_fields(arguments))
    lines = [
        f"{each['address']}: {each['decision']} {each.get('reason') or ''}".rstrip() for each in told["recipients"]
    ]
    alignment = ", ".join(f"{name} {value}" for name, value in (told.get("alignment") or {}).items())
    output.show(told, [*lines, f"{told['size']} bytes{'; ' if alignment else ''}{alignment}"])
    return 0


def list_emails(arguments: Namespace, output: Output, client: Client) -> int:
    filters = {name: getattr(arguments, name) for name in ("status", "to", "tag", "q", "limit", "after")}
    page = client.list_emails(**filters)
    for email in page["data"]:
        output.show(email, [describe(email)])
    if page["next"] and not output.is_json:
        output.tell(f"More: --after {page['next']}")
    return 0


def show(arguments: Namespace, output: Output, client: Client) -> int:
    email = client.get_email(arguments.id)
    recipients = [
        f"  {each['kind']} {each['address']}: {join(each['status'], each['status_reason'], each['last_reply'])}"
        for each in email["recipients"]
    ]
    attempts = [
        f"  attempt {each['number']} to {each['recipient']}: {join(each['provider'], each['outcome'], each['reply'])}"
        for each in email.get("attempts", [])
    ]
    output.show(
        email, [describe(email), f"  from {email['from_']}, accepted {email['created_at']}", *recipients, *attempts]
    )
    return 0


def explain(arguments: Namespace, output: Output, client: Client) -> int:
    told = client.explain_email(arguments.id)
    lines = [f"{told['status']}: {told['why']}"]
    if told["next"]:
        lines.append(f"Next: {told['next']} {told['next_at'] or ''}".rstrip())
    lines += [f"{each['address']}: {each['why']}" for each in told["recipients"]]
    output.show(told, [*lines, *(f"Advice: {each}" for each in told["advice"])])
    return 0


def join(*words: str | None) -> str:
    """The words that there are."""
    return " ".join(filter(None, words))
