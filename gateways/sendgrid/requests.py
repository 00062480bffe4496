"""SendGrid's body of an email, rewritten as one body of ours for each personalization.

The checks are those of `/api/v1`; here are only those of the rewriting. Sources:
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send, and the bodies that SendGrid's libraries and
django-anymail send.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast
from uuid import UUID

from accounts.models import Project
from common.errors import FieldError, FieldErrors, InvalidFieldsError, join_path
from common.ids import parse_id
from common.parsers import MAX_BATCH_BODY
from common.times import format_time
from gateways.compat.rewriting import Rewrites, guess_type, reject, rename, rewrite, write_files
from gateways.sendgrid.settings_forms import is_sandboxed, write_tracking
from gateways.sendgrid.substitutions import fill_sections, read_sections, read_substitutions, replace_words
from messages.accepting.draft import Draft
from messages.api.fields import MAX_BODY_BYTES
from messages.api.responses import format_mailbox
from messages.api.serializers import read_draft
from messages.attachments import File
from templates_app.processor_time import processor_time_of

# https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations
MAX_PERSONALIZATIONS = 1_000
CONTENT: Mapping[str, str] = {"text/plain": "text", "text/html": "html"}
FILE_NAMES: Mapping[str, str] = {
    "content": "content_b64",
    "type": "content_type",
    "filename": "filename",
    "content_id": "content_id",
    "disposition": "disposition",
}
DISPOSITIONS = ("attachment", "inline")
# The last second of the year 9998.
MAX_TIME = 253_370_764_799


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A request: a body of ours for each personalization, and what all of them share."""

    bodies: Sequence[dict[str, Any]]
    attachments: Sequence[File]
    batch_id: UUID | None

    def read(self, body: Mapping[str, Any]) -> tuple[Draft, list[FieldError]]:
        """Convert one of the bodies into a draft without its invalid fields, and the errors of those."""
        draft, errors = read_draft(body)
        return replace(draft, attachments=self.attachments, batch_id=self.batch_id), errors


def read_mail(project: Project, data: Mapping[str, Any]) -> Mail:
    """Raises InvalidFieldsError with all errors of the form."""
    rewrites: Rewrites = {**SHARED, "asm": partial(write_group, project)}
    shared, errors = rewrite(data, rewrites, ours=[name for name in data if name not in rewrites])
    if "reply_to" in data and "reply_to_list" in data:
        errors.append(FieldError("reply_to", "invalid", "Give reply_to or reply_to_list, not both."))
    findings = FieldErrors(errors)
    files: Sequence[File] = ()
    with findings.collect():
        files = read_files(shared.pop("attachments", []))
    bodies: list[dict[str, Any]] = []
    batch_id = shared.pop("batch_id", None)
    with findings.collect():
        bodies = write_bodies(project, shared, data.get("personalizations"))
    findings.raise_all()
    return Mail(bodies=bodies, attachments=files, batch_id=batch_id)


def read_files(files: object) -> Sequence[File]:
    """The files, decoded once for all emails."""
    draft, errors = read_draft({"attachments": files})
    if wrong := [error for error in errors if error.field.startswith("attachments")]:
        raise InvalidFieldsError(wrong)
    return draft.attachments


def write_bodies(project: Project, shared: Mapping[str, Any], items: object) -> list[dict[str, Any]]:
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_PERSONALIZATIONS:
        reject("personalizations", f"Must be a list of 1 to {MAX_PERSONALIZATIONS:,} objects.", "batch_size")
    findings, bodies, length = FieldErrors(), [], 0
    for index, item in enumerate(items):
        try:
            bodies.append(write_body(project, shared, item))
        except InvalidFieldsError as error:
            findings.errors += [replace(each, field=f"[{index}].{each.field}".rstrip(".")) for each in error.errors]
            continue
        length += sum(len(bodies[-1].get(name) or "") for name in ("html", "text") if name in bodies[-1])
        if length > MAX_BATCH_BODY:
            reject("content", f"The contents of all emails of a request may have {MAX_BATCH_BODY:,} characters.")
    findings.raise_all()
    return bodies


def write_body(project: Project, shared: Mapping[str, Any], item: object) -> dict[str, Any]:
    """The body of one email: what a personalization gives comes before what all share."""
    if not isinstance(item, Mapping):
        reject("", "Must be an object.")
    own, errors = rewrite(item, PERSONAL, ours=[name for name in item if name not in PERSONAL])
    if errors:
        raise InvalidFieldsError(errors)
    if not own.get("to"):
        reject("to", "Must name at least one address.", "required")
    body = {**shared, **own, **join_objects(shared, own)}
    words, sections = body.pop("substitutions", {}), body.pop("sections", {})
    if words and sections:
        with processor_time_of(project.pk):
            words = fill_sections(words, sections, MAX_BODY_BYTES)
    if "template_id" in body:
        # As at SendGrid, the template's subject counts.
        body.pop("subject", None)
        return {"template_vars": words, **body} if words else body
    if not words:
        return body
    with processor_time_of(project.pk):
        return replace_words(body, words, MAX_BODY_BYTES)


def join_objects(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Headers and metadata, of which a personalization gives some and the request others."""
    joined = {}
    for name in ("headers", "metadata"):
        pair = shared.get(name), own.get(name)
        if all(isinstance(value, Mapping) for value in pair):
            joined[name] = {**cast(dict[str, Any], pair[0]), **cast(dict[str, Any], pair[1])}
    return joined


def read_mailbox(given: object, path: str) -> str:
    """`{"email", "name"}` in our form."""
    if not isinstance(given, Mapping) or set(given) - {"email", "name"}:
        reject(path, "Must be an object with email and name.")
    email, name = given.get("email"), given.get("name") or ""
    if not isinstance(email, str) or not isinstance(name, str):
        reject(path, "Must have email, and may have name, both strings.")
    if "<" in email:
        reject(path, "The email must be an address alone.", "invalid_address")
    return format_mailbox(name, email)


def read_mailboxes(given: object, path: str) -> list[str]:
    if not isinstance(given, list):
        reject(path, "Must be a list of objects with email and name.")
    findings, found = FieldErrors(), []
    for index, each in enumerate(given):
        with findings.collect():
            found.append(read_mailbox(each, join_path(path, index)))
    findings.raise_all()
    return found


def write_list(field: str, given: object) -> dict[str, Any]:
    return {field: read_mailboxes(given, field)}


def write_content(parts: object) -> dict[str, Any]:
    """The text and the HTML part; other kinds, such as invitations, are refused."""
    if not isinstance(parts, list):
        reject("content", "Must be a list of objects with type and value.")
    written: dict[str, Any] = {}
    for index, part in enumerate(parts):
        path = join_path("content", index)
        if not isinstance(part, Mapping) or set(part) != {"type", "value"} or not isinstance(part["type"], str):
            reject(path, "Must be an object with type and value, both strings.")
        field = CONTENT.get(part["type"].partition(";")[0].strip().lower())
        if field is None:
            reject(f"{path}.type", f"Must be one of {', '.join(CONTENT)}. Send other kinds as attachments.")
        if field in written:
            reject(f"{path}.type", "Another part has the same type.")
        if not isinstance(part["value"], str):
            reject(f"{path}.value", "Must be a string.")
        written[field] = part["value"]
    return written


def write_file(file: Mapping[str, Any], path: str) -> dict[str, Any]:
    """One file. A file that is no inline image has no use for its id."""
    given = rename(file, FILE_NAMES, path)
    disposition = given.pop("disposition", "") or "attachment"
    if disposition not in DISPOSITIONS:
        reject(f"{path}.disposition", f"Must be one of {', '.join(DISPOSITIONS)}.")
    if disposition == "attachment":
        given.pop("content_id", None)
    if not given.get("content_type"):
        given["content_type"] = guess_type(given.get("filename"))
    return given


def write_time(seconds: object) -> dict[str, Any]:
    """A time in Unix seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= MAX_TIME:
        reject("scheduled_at", "Must be a time in whole seconds since 1970.")
    return {"scheduled_at": format_time(datetime.fromtimestamp(seconds, UTC))}


def write_batch(text: object) -> dict[str, Any]:
    batch_id = parse_id(text) if isinstance(text, str) else None
    if batch_id is None:
        reject("batch_id", "Must be an id that POST /v3/mail/batch gave out.")
    return {"batch_id": batch_id}


def write_group(project: Project, asm: object) -> dict[str, Any]:
    """An unsubscribe group is the stream that has its number as its name: `12345`, or `asm-12345`."""
    group = asm.get("group_id") if isinstance(asm, Mapping) else None
    if isinstance(group, bool) or not isinstance(group, int):
        reject("asm.group_id", "Must be a number.")
    names = (f"asm-{group}", str(group))
    found = project.streams.filter(name__in=names).order_by("-name").values_list("name", flat=True).first()
    if found is None:
        reject("asm.group_id", f"Make a stream with the name {names[0]} for this group.", "unknown_stream")
    return {"stream": found}


def write_mail_settings(given: object) -> dict[str, Any]:
    """Checked here; `is_sandboxed` is asked before."""
    is_sandboxed(given)
    return {}


def refuse_pool(_name: object) -> dict[str, Any]:
    return reject("ip_pool_name", "Providers take the place of pools: see /docs/self-hosting.", "not_supported")


PERSONAL: Rewrites = {
    "from": lambda given: {"from_": read_mailbox(given, "from_")},
    "to": partial(write_list, "to"),
    "cc": partial(write_list, "cc"),
    "bcc": partial(write_list, "bcc"),
    "subject": lambda text: {"subject": text},
    "headers": lambda headers: {"headers": headers},
    "substitutions": lambda words: {"substitutions": read_substitutions(words)},
    "dynamic_template_data": lambda values: {"template_vars": values},
    "custom_args": lambda values: {"metadata": values},
    "unique_args": lambda values: {"metadata": values},
    "send_at": write_time,
}
SHARED: Rewrites = {
    "personalizations": lambda _: {},
    "from": PERSONAL["from"],
    "reply_to": lambda given: {"reply_to": [read_mailbox(given, "reply_to")]},
    "reply_to_list": partial(write_list, "reply_to"),
    "subject": PERSONAL["subject"],
    "content": write_content,
    "attachments": lambda files: write_files(files, write_file),
    "template_id": lambda ref: {"template_id": ref},
    "sections": lambda texts: {"sections": read_sections(texts)},
    "headers": PERSONAL["headers"],
    "categories": lambda words: {"tags": words},
    "custom_args": PERSONAL["custom_args"],
    "unique_args": PERSONAL["unique_args"],
    "send_at": write_time,
    "batch_id": write_batch,
    "asm": lambda _: {},
    "ip_pool_name": refuse_pool,
    "mail_settings": write_mail_settings,
    "tracking_settings": write_tracking,
}
