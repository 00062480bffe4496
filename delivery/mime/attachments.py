"""Attachments as MIME entities, with validated types and encoded file names (RFC 2045, 2183, 2231, 2392)."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from delivery.html.content_ids import find_content_ids
from delivery.mime.bodies import base64_lines, has_long_line
from delivery.mime.headers import HeaderError, check_value, fold_header, is_plain, parameter

WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
CONTENT_TYPE = re.compile(rf'({WORD}/{WORD})((?:\s*;\s*{WORD}=(?:{WORD}|"[^"\\]*"))*)\s*;?')
PARAMETER = re.compile(rf';\s*({WORD})=({WORD}|"[^"\\]*")')
CONTENT_ID = re.compile(r"[!-;=?-~]{1,250}")
# The one message type that may be attached. Its content is never base64 or quoted-printable (RFC 2046, 5.2.1).
ENCLOSED = "message/rfc822"
NOT_FALLBACK = re.compile(r'[^ -~]|["\\<>?=]')


class AttachmentTypeError(ValueError):
    """The attachment's content type is malformed, or must not be attached, or does not fit the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file to attach. With a `content_id` that the HTML uses as `cid:…` it is an inline part, such as an image."""

    filename: str
    content_type: str
    content: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type in lower case, and its parameters in order: names in lower case, values as written."""

    media_type: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """The value of a parameter without its quotes, empty when absent."""
        return next((value.strip('"') for key, value in self.parameters if key == name), "")

    def without(self, *names: str) -> "ContentType":
        return ContentType(self.media_type, tuple(pair for pair in self.parameters if pair[0] not in names))

    @property
    def chunks(self) -> list[str]:
        return [f"{name}={value}" for name, value in self.parameters]

    def __str__(self) -> str:
        return "; ".join([self.media_type, *self.chunks])


def declare_type(attachment: Attachment) -> ContentType:
    """The content type that leaves, whichever way: a text without a charset is UTF-8 when its bytes are.

    Without the word, programs take it for US-ASCII or guess (RFC 6657, 3). Bytes that are not UTF-8 are not declared.
    """
    declared = parse_content_type(attachment.content_type)
    if not declared.media_type.startswith("text/") or declared.get("charset"):
        return declared
    if decode_text(attachment.content, "utf-8") is None:
        return declared
    return ContentType(declared.media_type, (*declared.parameters, ("charset", "utf-8")))


def decode_text(content: bytes, charset: str) -> str | None:
    """The text in `charset`; None when the bytes are none, or the charset is unknown."""
    try:
        return content.decode(charset)
    except (LookupError, ValueError):
        return None


def attachment_entity(attachment: Attachment, *, is_inline: bool) -> tuple[bytes, bytes]:
    """The part's headers with the empty line, and its bytes without a last line end.

    For old readers without RFC 2231, Content-Type's `name` holds an ASCII version of the file name. There is no second
    `filename` beside `filename*`, since some parsers would take the ASCII version.
    """
    content_type = declare_type(attachment)
    filename = attachment.filename
    disposition = "inline" if is_inline else "attachment"
    names = [f'name="{fallback_name(filename)}"'] if filename else []
    filenames = parameter("Content-Disposition", "filename", filename) if filename else []
    encoding, body = encode_file(content_type, attachment.content)
    lines = [
        parameterised("Content-Type", content_type.media_type, [*content_type.chunks, *names]),
        b"Content-Transfer-Encoding: %b\r\n" % encoding,
        parameterised("Content-Disposition", disposition, filenames),
    ]
    if attachment.content_id:
        lines.append(content_id_header(attachment.content_id))
    return b"".join([*lines, b"\r\n"]), body


def encode_file(content_type: ContentType, content: bytes) -> tuple[bytes, bytes]:
    """The transfer encoding's name, and the content in it: base64, except for a mail (RFC 2046, 5.2.1)."""
    if content_type.media_type != ENCLOSED:
        return b"base64", base64_lines(content, is_closing=False)
    mail = enclose_mail(content)
    return (b"7bit" if mail.isascii() else b"8bit"), mail


def enclose_mail(content: bytes) -> bytes:
    """A whole mail to be attached as it is: only its line ends become CRLF. AttachmentTypeError when it cannot be."""
    mail = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if b"\0" in mail or has_long_line(mail):
        raise AttachmentTypeError(
            "a message/rfc822 file has no NUL and no line over 998 bytes; application/octet-stream takes any"
        )
    return mail


def is_enclosed_in_eight_bit(attachment: Attachment) -> bool:
    """Whether the part is a mail in 8bit, which the multiparts around it have to say, too (RFC 2045, 6.4)."""
    return parse_content_type(attachment.content_type).media_type == ENCLOSED and not attachment.content.isascii()


def list_inline_ids(attachments: Sequence[Attachment], html: str | None) -> frozenset[str]:
    """The content ids of these attachments that `html` shows."""
    named = {bare_content_id(each.content_id) for each in attachments if each.content_id}
    return find_content_ids(html) & named if html and named else frozenset()


def parameterised(name: str, value: str, parameters: list[str]) -> bytes:
    """`Name: value; parameter; …`, folded before a parameter only."""
    chunks = [f" {chunk};" for chunk in (value, *parameters)]
    chunks[-1] = chunks[-1].removesuffix(";")
    return fold_header(name, chunks)


def parse_content_type(content_type: str) -> ContentType:
    """`Text/Calendar; method=REQUEST; name=x` in its parts; `name` is dropped, since the file name says it.

    Raises AttachmentTypeError with the cause.
    """
    if not content_type.isascii() or len(content_type) > 255:
        raise AttachmentTypeError("the content type is too long or not ASCII")
    check_value("Content-Type", content_type)
    match = CONTENT_TYPE.fullmatch(content_type.strip(" "))
    if not match:
        raise AttachmentTypeError("the content type is not of the form type/subtype; name=value")
    media_type = match[1].lower()
    if media_type.startswith(("multipart/", "message/")) and media_type != ENCLOSED:
        raise AttachmentTypeError("multipart/* and message/* cannot be attached, except message/rfc822")
    pairs = [(key.lower(), value) for key, value in PARAMETER.findall(match[2])]
    keys = [key.removesuffix("*") for key, _ in pairs]
    if len(set(keys)) < len(keys):
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise AttachmentTypeError(f"the parameter {repeated} occurs twice")  # RFC 6838, 4.3
    return ContentType(media_type, tuple(pair for pair in pairs if pair[0].partition("*")[0] != "name"))


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
