"""Mailgun's form of a message, rewritten as our body of an email. The checks are those of `/api/v1`; here is only the
rewriting.

Sources: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages, and the forms that
mailgun.js and django-anymail send.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from tempfile import TemporaryFile
from typing import Any

from rest_framework.exceptions import ValidationError

from common.errors import ApiError, FieldError, FieldErrors, InvalidFieldsError, join_path
from common.large_json.spooled import SpooledBytes
from common.serializers import NO_FIELD
from common.strict_json import parse_json
from common.times import format_time
from common.validation import list_field_errors
from delivery.mail_dates import read_mail_date
from gateways.compat.forms import Form
from gateways.compat.rewriting import Rewrites, guess_type, name_file, reject, rewrite, split_addresses
from gateways.mailgun.recipient_variables import FIELD, list_recipients
from messages.accepting.draft import Draft
from messages.api.serializers import EMAIL_REQUEST, read_draft
from messages.attachments import File

YES, NO = frozenset({"yes", "true"}), frozenset({"no", "false"})
# For clicks: of the HTML part alone, which is all that is tracked here.
HTML_ONLY = frozenset({"htmlonly"})
# Options that are taken in the one way in which the service works, and change nothing then.
FIXED_OPTIONS: Mapping[str, Collection[str]] = {
    "o:dkim": YES,
    "o:require-tls": NO,
    "o:skip-verification": NO,
    "t:text": YES,
}
UNSUBSCRIBE = "%unsubscribe_url%"
OUR_UNSUBSCRIBE = "{{ unsubscribe_url }}"
VARIABLES = "h:x-mailgun-variables"
REPLY_TO = "h:reply-to"
CONTENT = frozenset({"subject", "html"})
FILE_FIELDS = ("attachment", "inline")


def read_email(form: Form, files: Sequence[File] | None = None) -> tuple[Draft, list[FieldError]]:
    """Convert a form into a draft without its invalid fields, and the errors of those.

    With `files`, which several messages share and which are read already, those of the form are passed over.
    """
    given = {name: keep_filled(name, values) for name, values in form.items() if not is_named_by_caller(name)}
    unknown = [name for name in given if name not in {*REWRITES, *FILE_FIELDS, FIELD, "o:testmode"}]
    known = {name: values for name, values in given.items() if name in REWRITES}
    body, errors = rewrite(known, REWRITES, strict_about=("o:deliverytime",))
    findings = FieldErrors(errors)
    findings.errors += [FieldError("", "unknown_field", f"{name[:100]}: {NO_FIELD}") for name in unknown]
    with findings.collect():
        is_test(form)
    with findings.collect():
        body |= write_headers(form)
    with findings.collect():
        body |= write_variables(form, is_templated="template_id" in body)
    if files is None:
        with findings.collect():
            body |= write_attachments(form)
    return read_body(write_unsubscribe(body), findings, files)


def read_body(
    body: dict[str, Any], findings: FieldErrors, files: Sequence[File] | None
) -> tuple[Draft, list[FieldError]]:
    """The draft of our body. A subject beside a template replaces the template's."""
    subject = body.pop("subject", "") if "template_id" in body else ""
    with findings.collect():
        subject = check_field("subject", subject) if subject else ""
    draft, others = read_draft(body)
    wrong = {error.field for error in findings.errors}
    if "template_id" in wrong:
        # Whether content is needed is unknown then.
        wrong |= CONTENT
    draft = replace(draft, subject=subject) if subject else draft
    draft = draft if files is None else replace(draft, attachments=files)
    return draft, findings.errors + [error for error in others if error.field not in wrong]


def check_field(name: str, value: Any) -> Any:
    """The value of one of our fields, read as `/api/v1` reads it. Raises InvalidFieldsError."""
    try:
        return EMAIL_REQUEST.fields[name].run_validation(value)
    except ValidationError as error:
        raise InvalidFieldsError(list_field_errors(ValidationError({name: error.detail}))) from None


def read_files(form: Form) -> list[File]:
    """The files that all messages of a form share, each decoded and hashed once. Raises InvalidFieldsError."""
    return [spool(file) for file in check_field("attachments", write_attachments(form)["attachments"])]


def spool(file: File) -> File:
    """The file with its digest at hand: it is asked for each message."""
    if isinstance(file.content, SpooledBytes):
        return file
    kept = TemporaryFile()  # noqa: SIM115  it goes with the bytes
    kept.write(file.content)
    kept.flush()
    digest = sha256(file.content).digest()
    return replace(file, content=SpooledBytes(file=kept, size=len(file.content), digest=digest))


def is_named_by_caller(name: str) -> bool:
    """Whether it is a header or a variable."""
    return name.startswith(("h:", "v:"))


def keep_filled(name: str, values: list[Any]) -> list[Any]:
    """The values without empty ones; an empty time stays, and is an error."""
    return values if name == "o:deliverytime" else [value for value in values if value != ""]


def is_test(form: Form) -> bool:
    """Whether the message is to be accepted and not to be sent. Raises InvalidFieldsError."""
    values = keep_filled("o:testmode", form.get("o:testmode", []))
    return bool(values) and read_flag("o:testmode", values)


def read_one(path: str, values: list[Any]) -> str:
    """The single text of a field."""
    if len(values) != 1:
        reject(path, "Must be given once.")
    if not isinstance(values[0], str):
        reject(path, "Must be a text, not a file.")
    return values[0]


def read_flag(name: str, values: list[Any], also: Collection[str] = ()) -> bool:
    word = read_one("", values).lower()
    if word not in YES | NO and word not in also:
        reject("", f"{name}: Must be one of {', '.join(sorted({'yes', 'no', *also}))}.")
    return word not in NO


def write_text(field: str, values: list[Any]) -> dict[str, Any]:
    return {field: read_one(field, values)}


def write_addresses(name: str, values: list[Any]) -> dict[str, Any]:
    return {name: list_recipients({name: values}, name)}


def write_clicks(values: list[Any]) -> dict[str, Any]:
    return {"track_clicks": read_flag("o:tracking-clicks", values, HTML_ONLY)}


def write_tracking(values: list[Any]) -> dict[str, Any]:
    """Both kinds; the options of one kind, which come later in the table, override it."""
    is_on = read_flag("o:tracking", values, HTML_ONLY)
    return {"track_opens": is_on, "track_clicks": is_on}


def write_fixed(name: str, values: list[Any]) -> dict[str, Any]:
    if read_one("", values).lower() not in FIXED_OPTIONS[name]:
        reject("", f"{name}: Only {sorted(FIXED_OPTIONS[name])[-1]} is supported.")
    return {}


def write_time(values: list[Any]) -> dict[str, Any]:
    """A date of RFC 5322 or seconds since 1970; a time of RFC 3339, which our API has, stays."""
    text = read_one("scheduled_at", values).strip()
    is_number = text.isascii() and text.isdigit()
    if text[:4].isdigit() and not is_number:
        return {"scheduled_at": text}
    moment = read_seconds(text) if is_number else read_mail_date(text)
    if moment is None:
        reject("scheduled_at", "Must be a date of RFC 5322 such as Fri, 25 Oct 2030 23:10:10 +0000.", "invalid_time")
    return {"scheduled_at": format_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))}


def read_seconds(digits: str) -> datetime | None:
    """The time so many seconds after 1970 began; None if the calendar ends before it."""
    try:
        return datetime.fromtimestamp(int(digits), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def write_headers(form: Form) -> dict[str, Any]:
    """`h:X-Name` as a header; Reply-To has a field of its own, and the variables are no header."""
    headers: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for name, values in form.items():
        if not name.startswith("h:") or name.lower() == VARIABLES or values == [""]:
            continue
        path = join_path("headers", name[2:])
        if name.lower() == REPLY_TO:
            body["reply_to"] = split_addresses(read_one("reply_to", values))
        else:
            headers[name[2:]] = read_one(path, values)
    return {**body, "headers": headers}


def write_variables(form: Form, *, is_templated: bool) -> dict[str, Any]:
    """`v:name`, and the object in `h:X-Mailgun-Variables`, as metadata, and as variables of a template."""
    metadata: dict[str, Any] = {}
    for name, values in form.items():
        if name.startswith("v:"):
            metadata[name[2:]] = read_one(join_path("metadata", name[2:]), values)
        elif name.lower() == VARIABLES:
            given = read_object("metadata", read_one("metadata", values))
            metadata |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    variables = {name: decode_value(value) for name, value in metadata.items()} if is_templated else {}
    if given_text := keep_filled("t:variables", form.get("t:variables", [])):
        variables |= read_object("template_vars", read_one("template_vars", given_text))
    return {"metadata": metadata, "template_vars": variables}


def decode_value(text: str) -> Any:
    """An object or a list, where the text is one in JSON: templates loop over them."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return parse_json(text.encode())
    except ApiError:
        return text


def read_object(path: str, text: str) -> dict[str, Any]:
    try:
        given = parse_json(text.encode())
    except ApiError as error:
        reject(path, error.detail, error.public_code)
    if not isinstance(given, dict):
        reject(path, "Must be an object in JSON.")
    return given


def write_attachments(form: Form) -> dict[str, Any]:
    """The files of `attachment` and `inline`, in this order; the name of an inline one is its Content-ID."""
    files = [(file, name) for name in FILE_FIELDS for file in form.get(name, ()) if file != ""]
    if any(isinstance(file, str) for file, _ in files):
        reject("attachments", "Must be a file: the part of the form needs a filename.")
    return {"attachments": [write_file(file, is_inline=name == "inline") for file, name in files]}


def write_file(file: Mapping[str, Any], *, is_inline: bool) -> dict[str, Any]:
    given = dict(file)
    given["content_type"] = given["content_type"] or guess_type(given["filename"])
    given["filename"] = given["filename"] or name_file(given["content_type"])
    return given | ({"content_id": given["filename"]} if is_inline else {})


def write_unsubscribe(body: dict[str, Any]) -> dict[str, Any]:
    """Mailgun's placeholder of the unsubscribe link as ours; an email with it offers an opt-out."""
    with_link = [name for name in ("html", "text") if UNSUBSCRIBE in body.get(name, "")]
    if not with_link:
        return body
    replaced = {name: body[name].replace(UNSUBSCRIBE, OUR_UNSUBSCRIBE) for name in with_link}
    return {**body, **replaced, "enable_unsubscribe": True}


def texts(*fields: tuple[str, str]) -> dict[str, Callable[[list[Any]], dict[str, Any]]]:
    return {name: partial(write_text, field) for name, field in fields}


REWRITES: Rewrites = {
    **texts(("from", "from_"), ("subject", "subject"), ("text", "text"), ("html", "html"), ("template", "template_id")),
    **{name: partial(write_addresses, name) for name in ("to", "cc", "bcc")},
    "o:tag": lambda values: {"tags": values},
    "o:tracking": write_tracking,
    "o:tracking-clicks": write_clicks,
    "o:tracking-opens": lambda values: {"track_opens": read_flag("o:tracking-opens", values)},
    "o:deliverytime": write_time,
    # Read by `write_variables`, with the others.
    "t:variables": lambda _values: {},
    **{name: partial(write_fixed, name) for name in FIXED_OPTIONS},
}
