"""Attachments as MIME entities, with validated types and encoded file names (RFC 2045, 2183, 2231, 2392)."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from delivery.mime.bodies import base64_lines
from delivery.mime.headers import HeaderError, check_value, fold_header, is_plain, parameter

WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
CONTENT_TYPE = re.compile(rf'({WORD}/{WORD})((?:\s*;\s*{WORD}=(?:{WORD}|"[^"\\]*"))*)\s*;?')
PARAMETER = re.compile(rf';\s*({WORD})=({WORD}|"[^"\\]*")')
CONTENT_ID = re.compile(r"[!-;=?-~]{1,250}")
NOT_FALLBACK = re.compile(r'[^ -~]|["\\<>?=]')


class AttachmentTypeError(ValueError):
    """The attachment's content type is malformed or must not be attached (multipart/*, message/*)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file to attach. With a `content_id` that the HTML uses as `cid:…` it is an inline part, such as an image."""

    filename: str
    content_type: str
    content: bytes
    content_id: str = ""

    def is_shown_in(self, html: str) -> bool:
        """Whether `html` refers to this part (RFC 2392), plainly or percent-encoded."""
        identifier = bare_content_id(self.content_id)
        if not identifier:
            return False
        return f"cid:{identifier}" in html or f"cid:{quote(identifier, safe='')}" in html


def attachment_entity(attachment: Attachment, *, is_inline: bool) -> bytes:
    """The part's headers, the empty line, and its bytes in base64 without a last line end.

    For old readers without RFC 2231, Content-Type's `name` holds an ASCII version of the file name. There is no second
    `filename` beside `filename*`, since some parsers would take the ASCII version.
    """
    media_type, parameters = parse_content_type(attachment.content_type)
    filename = attachment.filename
    disposition = "inline" if is_inline else "attachment"
    names = [f'name="{fallback_name(filename)}"'] if filename else []
    filenames = parameter("Content-Disposition", "filename", filename) if filename else []
    lines = [
        parameterised("Content-Type", media_type, [*parameters, *names]),
        b"Content-Transfer-Encoding: base64\r\n",
        parameterised("Content-Disposition", disposition, filenames),
    ]
    if attachment.content_id:
        lines.append(content_id_header(attachment.content_id))
    return b"".join([*lines, b"\r\n", base64_lines(attachment.content).removesuffix(b"\r\n")])


def parameterised(name: str, value: str, parameters: list[str]) -> bytes:
    """`Name: value; parameter; …`, folded before a parameter only."""
    chunks = [f" {chunk};" for chunk in (value, *parameters)]
    chunks[-1] = chunks[-1].removesuffix(";")
    return fold_header(name, chunks)


def parse_content_type(content_type: str) -> tuple[str, list[str]]:
    """`text/calendar; method=REQUEST; name=x` → `("text/calendar", ["method=REQUEST"])`: the name is dropped."""
    if not content_type.isascii() or len(content_type) > 255:
        raise AttachmentTypeError("the content type is too long or not ASCII")
    check_value("Content-Type", content_type)
    match = CONTENT_TYPE.fullmatch(content_type.strip(" "))
    if not match:
        raise AttachmentTypeError("the content type is not of the form type/subtype")
    if match[1].lower().startswith(("multipart/", "message/")):
        raise AttachmentTypeError("multipart/* and message/* cannot be attachments")
    parameters = [f"{key}={value}" for key, value in PARAMETER.findall(match[2]) if key.lower() != "name"]
    return match[1], parameters


def fallback_name(filename: str) -> str:
    """An ASCII version of `filename`, at most 100 characters, that needs no escapes: `Grüße.pdf` → `Grusse.pdf`."""
    if is_plain(filename):
        return filename
    plain = unicodedata.normalize("NFKD", filename.replace("ß", "ss"))
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    return NOT_FALLBACK.sub("_", plain)[-100:].strip(" ") or "_"


def bare_content_id(content_id: str) -> str:
    """The id without the angle brackets that some callers write around it."""
    return content_id[1:-1] if content_id.startswith("<") and content_id.endswith(">") else content_id


def content_id_header(content_id: str) -> bytes:
    identifier = bare_content_id(content_id)
    if not CONTENT_ID.fullmatch(identifier):
        raise HeaderError("Content-ID", "must be printable ASCII without spaces and angle brackets")
    return f"Content-ID: <{identifier}>\r\n".encode("ascii")
