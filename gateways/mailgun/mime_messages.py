"""`/v3/{domain}/messages.mime`: a whole mail with its envelope, and options beside it.

Sources: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages, and for the header fields
https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from common.addresses import Address, AddressError, parse_address
from common.errors import FieldError, FieldErrors, join_path
from common.serializers import NO_FIELD
from gateways.compat.forms import Form
from gateways.compat.rewriting import reject, rewrite
from gateways.mailgun.recipient_variables import FIELD, list_recipients
from gateways.mailgun.requests import (
    REWRITES,
    is_named_by_caller,
    is_test,
    keep_filled,
    write_headers,
    write_variables,
)
from gateways.mime.beside import Beside
from gateways.mime.reading import ReadMail, read_mail_request

MAIL = "message"
OPTIONS = {name: write for name, write in REWRITES.items() if name.startswith("o:")}
# Mailgun's header fields, by the field of the form that says the same.
HEADERS: Mapping[str, str] = {
    "x-mailgun-tag": "o:tag",
    "x-mailgun-dkim": "o:dkim",
    "x-mailgun-deliver-by": "o:deliverytime",
    "x-mailgun-track": "o:tracking",
    "x-mailgun-track-clicks": "o:tracking-clicks",
    "x-mailgun-track-opens": "o:tracking-opens",
    "x-mailgun-variables": "h:X-Mailgun-Variables",
}
# These change what is sent to whom, so they are refused and not ignored.
REFUSED = frozenset({"x-mailgun-drop-message", "x-mailgun-recipient-variables", "x-mailgun-template-name"})


def read_mime_email(form: Form) -> ReadMail:
    """Convert a form with a mail. Raises InvalidFieldsError for all but wrong fields of the mail."""
    findings = FieldErrors()
    known = {*OPTIONS, MAIL, "to", "o:testmode"}
    if form.get(FIELD):
        findings.add("recipient_variables", "not_supported", "Send the fields of a message, not a mail.")
    unknown = [name for name in form if name not in {*known, FIELD} and not is_named_by_caller(name)]
    findings.errors += [FieldError("", "unknown_field", f"{name[:100]}: {NO_FIELD}") for name in unknown]
    with findings.collect():
        is_test(form)
    recipients = read_envelope(form, findings)
    given: Mapping[str, Any] = {}
    raw = b""
    with findings.collect():
        given = read_options(form)
    with findings.collect():
        raw = read_mail_field(form)
    findings.raise_all()
    own = Beside(given=given, own=frozenset({*HEADERS, *REFUSED}), read_own=read_own_headers)
    return read_mail_request(raw, recipients, own)


def read_envelope(form: Form, findings: FieldErrors) -> Sequence[Address]:
    """The addresses of `to`, which get the mail whatever its header says."""
    found = []
    for index, text in enumerate(list_recipients(form)):
        try:
            found.append(parse_address(text if isinstance(text, str) else ""))
        except AddressError as error:
            findings.add(join_path("to", index), error.code, error.message)
    if not found and not findings.errors:
        findings.add("to", "required", "Must name at least one address.")
    return found


def read_mail_field(form: Form) -> bytes:
    """The bytes of the mail, a file or a text."""
    values = form.get(MAIL, [])
    if len(values) != 1:
        reject("", f"{MAIL}: Must be given once: the mail, as a file.", "required")
    if isinstance(values[0], str):
        return values[0].encode()
    return b64decode(values[0]["content_b64"])


def read_options(form: Form) -> dict[str, Any]:
    """The fields of a request that options, headers (`h:`) and variables (`v:`) of the form give."""
    given = {name: keep_filled(name, values) for name, values in form.items() if name in OPTIONS}
    body, errors = rewrite(given, OPTIONS, strict_about=("o:deliverytime",))
    findings = FieldErrors(errors)
    for write in (write_headers, partial(write_variables, is_templated=False)):
        with findings.collect():
            body |= write(form)
    findings.raise_all()
    return {name: value for name, value in body.items() if value not in ({}, [])}


def read_own_headers(values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What Mailgun's header fields in the mail say."""
    if refused := sorted(REFUSED & values.keys()):
        reject("", f"{refused[0]}: Is not supported in a mail. For a test, give o:testmode.", "not_supported")
    return read_options({HEADERS[name]: list(texts) for name, texts in values.items()})
