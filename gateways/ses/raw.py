"""A whole mail in SendEmail: `Content.Raw`, and what the request says beside it.

Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_RawMessage.html. `FromEmailAddress` and
`ReplyToAddresses` replace the header fields; `Destination` is the envelope, without which To, Cc and Bcc are.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from common.addresses import Address, AddressError, parse_address
from common.errors import FieldErrors, join_path
from gateways.compat.rewriting import reject, rewrite
from gateways.mime.beside import Beside
from gateways.mime.reading import ReadMail, read_mail_request
from gateways.ses.own_headers import OWN_HEADERS, read_own_headers
from gateways.ses.requests import REWRITES, take

KINDS = ("to", "cc", "bcc")
# The mail itself has the content.
AROUND = {name: write for name, write in REWRITES.items() if name != "Content"}


def is_raw(data: Mapping[str, Any]) -> bool:
    """Whether the body of SendEmail holds a whole mail, and no other content."""
    content = data.get("Content")
    return isinstance(content, Mapping) and [kind for kind, value in content.items() if value is not None] == ["Raw"]


def read_raw_email(data: Mapping[str, Any]) -> ReadMail:
    """Convert a body for which `is_raw` holds. Raises InvalidFieldsError for all but wrong fields of the mail."""
    around = {name: value for name, value in data.items() if name != "Content"}
    given, errors = rewrite(around, AROUND, ours=[name for name in around if name not in AROUND])
    findings = FieldErrors(errors)
    listed = {kind: given.pop(kind) for kind in KINDS if kind in given}
    recipients = read_recipients(listed, findings)
    raw = b""
    with findings.collect():
        raw = read_data(data["Content"]["Raw"])
    findings.raise_all()
    beside = Beside(given=given, own=OWN_HEADERS, read_own=read_own_headers)
    return read_mail_request(raw, recipients or None, beside)


def read_recipients(listed: Mapping[str, Any], findings: FieldErrors) -> Sequence[Address]:
    """The addresses of `Destination`; `findings` gets the errors."""
    found = []
    for kind, texts in listed.items():
        if not isinstance(texts, list):
            findings.add(kind, "invalid", "Must be a list of addresses.")
            continue
        for index, text in enumerate(texts):
            try:
                found.append(parse_address(text if isinstance(text, str) else ""))
            except AddressError as error:
                findings.add(join_path(kind, index), error.code, error.message)
    return found


def read_data(value: object) -> bytes:
    """The bytes of `{"Data": …}`. Raises InvalidFieldsError."""
    text = take(value, ("Data",), "Content.Raw").get("Data")
    if not isinstance(text, str) or not text:
        reject("", "Content.Raw.Data: Must be a mail in base64.", "required")
    try:
        return b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        reject("", "Content.Raw.Data: Is not base64 (RFC 4648, 4).", "invalid_base64")
