"""A mail's parts as the bodies and files of our requests; the structure around them is composed anew.

What depends on its own structure is refused: a signature covers the bytes around it (RFC 1847).
"""

import mimetypes
import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from common.errors import FieldError, InvalidFieldsError
from delivery.mime.fields import HeadLimits, find_field
from delivery.mime.reader import MailTree, Part, ReadLimits, read_mail, read_value

LIMITS = ReadLimits(depth=20, parts=1_000, root=HeadLimits(fields=1_000), part=HeadLimits(fields=100))
BODY_FIELDS = {"text/plain": "text", "text/html": "html"}
SEALED = re.compile(r"\s*(multipart/(?:signed|encrypted))\b", re.IGNORECASE)
SEALED_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "base64", "quoted-printable"})
END_OF_HEADER = re.compile(rb"(?:\A|\n)\r?\n\Z")
# Parameters that we write ourselves.
OWN_PARAMETERS = frozenset({"boundary", "name", "filename"})
WORD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")
PLAIN_VALUE = re.compile(r"[ !#-\[\]-~]*")
MAX_CONTENT_TYPE = 255
UNKNOWN_TYPE = "application/octet-stream"
# Some systems do not know these endings.
ENDINGS = {"message/rfc822": ".eml", "text/calendar": ".ics", "text/plain": ".txt", "text/html": ".html"}


def take_apart(raw: bytes) -> MailTree:
    """The mail's parts. Raises InvalidFieldsError for a mail that cannot be composed anew or is beyond the limits."""
    if b"\0" in raw:
        refuse("nul", "A NUL character in the message: it is not allowed in mail (RFC 5322, 4.1).")
    tree = read_mail(raw, LIMITS)
    if len(tree.root.fields) >= LIMITS.root.fields:
        refuse("too_many_fields", f"The header has more than {LIMITS.root.fields} fields.")
    start = tree.root.start
    if start < len(raw) and not END_OF_HEADER.search(raw, max(start - 3, 0), start):
        refuse("invalid_header", "The header has a line that is no header field, before its empty line.")
    if tree.is_too_deep or tree.has_more_parts:
        refuse("too_many_parts", f"A mail has at most {LIMITS.parts} parts, nested at most {LIMITS.depth} deep.")
    if tree.root.media_type in SEALED_TYPES:
        refuse_sealed(tree.root.media_type)
    check_parts(tree.root)
    return tree


def check_parts(root: Part) -> None:
    """Raise InvalidFieldsError for signed and encrypted multiparts at any depth, and for unknown encodings."""
    stack = [root]
    while stack:
        part = stack.pop()
        # As it was written: a multipart without parts counts as a text for the reader.
        if found := SEALED.match(read_value(find_field(part.fields, "content-type"))):
            refuse_sealed(found[1].lower())
        if not part.children and part.encoding not in ENCODINGS:
            refuse("unknown_encoding", f"The Content-Transfer-Encoding {part.encoding[:40]} is unknown.")
        stack += part.children


def refuse(code: str, message: str) -> None:
    """Raise the error; its field is the mail as a whole."""
    raise InvalidFieldsError([FieldError("", code, message)])


def refuse_sealed(media_type: str) -> None:
    message = f"{media_type} cannot be sent: the mail is composed anew, which breaks signatures. Send it unsigned."
    refuse("sealed_mail", message)


def read_parts(tree: MailTree) -> dict[str, Any]:
    """The fields `text`, `html` and `attachments` of a request; those that are empty are left out."""
    leaves = list(tree.list_leaves())
    # Where every text has a name, the first is what its reader should see.
    named = [part for part in leaves if part.media_type in BODY_FIELDS and part.disposition.value != "attachment"]
    bodies = [part for part in named if not part.filename] or named[:1]
    fields: dict[str, Any] = {}
    for media_type, name in BODY_FIELDS.items():
        # A coded text may hold bare CR, which no text of ours has.
        read = (part.decode_text().replace("\r", "\n") for part in bodies if part.media_type == media_type)
        texts = list(filter(None, read))
        if texts:
            fields[name] = "\n".join(texts)
    if files := [part for part in leaves if part not in bodies]:
        fields["attachments"] = write_files(files)
    return fields


def write_files(parts: Sequence[Part]) -> list[dict[str, str]]:
    """The parts as files of a request, their bytes as they are."""
    return [write_file(part, number) for number, part in enumerate(parts, start=1)]


def write_file(part: Part, number: int) -> dict[str, str]:
    file = {
        "filename": part.filename or name_file(part.media_type, number),
        "content_type": write_content_type(part),
        "content_b64": b64encode(part.decode()).decode(),
    }
    return file | ({"content_id": part.content_id} if part.content_id else {})


def name_file(media_type: str, number: int) -> str:
    """A name for a file that has none."""
    return f"attachment-{number}{ENDINGS.get(media_type) or mimetypes.guess_extension(media_type) or ''}"


def write_content_type(part: Part) -> str:
    """The type with the parameters that can be written plainly."""
    written = part.media_type or UNKNOWN_TYPE
    for name, value in part.content_type.given.items():
        longer = f'{written}; {name}="{value}"'
        is_plain = WORD.fullmatch(name) and PLAIN_VALUE.fullmatch(value) and len(longer) <= MAX_CONTENT_TYPE
        if name not in OWN_PARAMETERS and is_plain:
            written = longer
    return written
