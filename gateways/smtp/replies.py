"""Errors of the services as SMTP replies: an enhanced code (RFC 3463), and the sentence with the field's name.

What may pass (the database is away, a limit is reached) is 4xx, so that the client tries again; all else is 5xx.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

from common.errors import ApiError
from gateways.compat.wording import Wording
from gateways.mime.control_fields import HEADER_OF

# RFC 5321, 4.5.3.1.5: 512 octets with code and CRLF.
MAX_TEXT = 480
LATER = "451 4.3.0"
CONTENT = "554 5.6.0"
FORBIDDEN = "550 5.7.1"

BY_CODE: Mapping[str, str] = {
    "attachments_too_large": "552 5.3.4",
    "too_many_recipients": "554 5.5.3",
}
BY_STATUS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "535 5.7.8",
    HTTPStatus.FORBIDDEN: FORBIDDEN,
    HTTPStatus.CONFLICT: LATER,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "552 5.3.4",
    HTTPStatus.TOO_MANY_REQUESTS: "451 4.7.1",
}
# Our fields as a mail has them.
WORDING = Wording(
    fields={
        **HEADER_OF,
        "from_": "From",
        "to": "To",
        "cc": "Cc",
        "bcc": "RCPT",
        "reply_to": "Reply-To",
        "subject": "Subject",
        "html": "HTML part",
        "text": "text part",
        "attachments": "file",
        "headers": "header",
    },
    files={"content_b64": "content"},
)
UNPRINTABLE = re.compile(r"[^ -~]+")
# The codes for replies of the library that have none (RFC 2034 wants one in each).
PLAIN_REPLY = re.compile(r"([245])(\d\d) (?![245]\.\d)")
DETAILS: Mapping[str, str] = {
    "221": "2.0.0",
    "250": "2.0.0",
    "252": "2.1.5",
    "421": "4.3.2",
    "454": "4.7.0",
    "500": "5.5.2",
    "501": "5.5.4",
    "504": "5.5.4",
    "530": "5.7.0",
    "552": "5.3.4",
    "554": "5.5.1",
    "555": "5.5.4",
}


def find_code(error: ApiError) -> str:
    """The reply's code and the enhanced one."""
    by_status = LATER if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else CONTENT
    return BY_CODE.get(error.public_code) or BY_STATUS.get(error.status) or by_status


def write_reply(error: ApiError) -> str:
    """The whole reply, one line of ASCII."""
    return f"{find_code(error)} {write_text(WORDING.describe_all(error))}"


def write_text(text: str) -> str:
    plain = UNPRINTABLE.sub("?", " ".join(text.split()))
    return plain if len(plain) <= MAX_TEXT else f"{plain[: MAX_TEXT - 3]}..."


def add_detail(reply: str) -> str:
    """The reply with an enhanced code if it has none."""
    found = PLAIN_REPLY.match(reply)
    if found is None:
        return reply
    code = reply[:3]
    return f"{code} {DETAILS.get(code, f'{found[1]}.5.1')} {reply[4:]}"
