"""A stored message taken apart for people: text, HTML, attachments.

Every mail gives something readable in time proportional to its size: the parts are found by scanning for their
delimiters with a bounded stack, never by recursion, and what lies too deep or is too much is offered as a download.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from inbox.headers import (
    Field,
    Parameters,
    decode_base64,
    decode_bytes,
    parse_parameters,
    split_fields,
    unfold,
)

DEPTH_LIMIT = 20
PART_LIMIT = 10_000
TEXT_LENGTH = 8_000_000  # characters of text and of HTML that are shown
ROOT_FIELDS = 5000
PART_FIELDS = 100
TYPE_VALUE_BYTES = 4096  # a longer Content-Type or Content-Disposition is read up to here
BODY_TYPES = frozenset({"text/plain", "text/html"})
MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}\Z")
PATH_SEPARATOR = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One leaf of the MIME tree; `start` and `end` bound its still encoded body in the message."""

    content_type: Parameters
    disposition: Parameters
    content_id: str
    encoding: str
    start: int
    end: int

    @property
    def filename(self) -> str:
        """Its base name as given, or empty."""
        given = self.disposition.given.get("filename") or self.content_type.given.get("name") or ""
        return PATH_SEPARATOR.split(given)[-1][:255]

    @property
    def is_body(self) -> bool:
        """Whether it is part of the text that the reader sees first."""
        is_text = self.content_type.value in BODY_TYPES
        return is_text and self.disposition.value != "attachment" and not self.filename

    def decode(self, raw: bytes) -> bytes:
        """Its bytes, transfer encoding undone."""
        data = raw[self.start : self.end]
        if self.encoding == "base64":
            return decode_base64(data)
        return binascii.a2b_qp(data) if self.encoding == "quoted-printable" else data

    def decode_text(self, raw: bytes) -> str:
        """Its text by its charset, each line end as `\\n`."""
        text = decode_bytes(self.decode(raw), self.content_type.given.get("charset", "utf-8"))
        return text.replace("\r\n", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent:
    """What a message holds. `warnings` say, for people, what was not taken apart."""

    fields: list[Field]
    text: str
    html: str
    attachments: list[Part]
    warnings: list[str] = field(default_factory=list)


def read_content(raw: bytes) -> MailContent:
    """Take `raw` apart (RFC 2045, RFC 2046), leniently. Nested messages stay whole, as attachments."""
    warnings: list[str] = []
    parts = list(walk_parts(raw, warnings))
    # Where every text has a name, the first is what its reader should see.
    named = [part for part in parts if part.content_type.value in BODY_TYPES and part.disposition.value != "attachment"]
    bodies = [part for part in parts if part.is_body] or named[:1]
    text, html = (
        "\n".join(part.decode_text(raw) for part in bodies if part.content_type.value == kind)
        for kind in ("text/plain", "text/html")
    )
    if max(len(text), len(html)) > TEXT_LENGTH:
        warnings.append(f"Only the first {TEXT_LENGTH} characters are shown.")
    return MailContent(
        fields=split_fields(raw, (0, len(raw)), ROOT_FIELDS)[0],
        text=text[:TEXT_LENGTH],
        html=html[:TEXT_LENGTH],
        attachments=[part for part in parts if not part.is_body],
        warnings=warnings,
    )


def walk_parts(raw: bytes, warnings: list[str]) -> Iterator[Part]:
    """The leaves in their order. A stack instead of recursion: hostile mail nests by the thousand."""
    stack = [(0, 0, len(raw))]
    room = PART_LIMIT
    while stack:
        depth, start, end = stack.pop()
        fields, body = split_fields(raw, (start, end), PART_FIELDS if depth else ROOT_FIELDS)
        part = build_part(fields, body, end)
        children = split_children(raw, part, room) if room and is_multipart(part) else []
        if room and is_multipart(part) and not children:
            part = replace(part, content_type=Parameters("text/plain"))
        if children and depth >= DEPTH_LIMIT:
            warnings.append(f"Parts nested deeper than {DEPTH_LIMIT} levels are kept together as one attachment.")
            children = []
        room -= len(children)
        if children and not room:
            warnings.append(f"Only the first {PART_LIMIT} parts are shown.")
        if not children:
            yield part
        stack += [(depth + 1, *span) for span in reversed(children)]


def is_multipart(part: Part) -> bool:
    return part.content_type.value.startswith("multipart/") and bool(part.content_type.given.get("boundary"))


def build_part(fields: list[Field], start: int, end: int) -> Part:
    """What a part's header says of it; what it leaves out or says wrongly is text/plain (RFC 2045, 5.2)."""
    named = {each.name.lower(): each for each in reversed(fields)}
    content_type = read_parameters(named.get("content-type"))
    if not MEDIA_TYPE.match(content_type.value):
        content_type = Parameters("text/plain", content_type.given)
    if content_type.value.startswith("multipart/") and not content_type.given.get("boundary"):
        content_type = Parameters("text/plain", content_type.given)
    encoding, content_id = named.get("content-transfer-encoding"), named.get("content-id")
    return Part(
        content_type=content_type,
        disposition=read_parameters(named.get("content-disposition")),
        content_id=content_id.decode().strip("<>")[:998] if content_id else "",
        encoding=encoding.decode().lower() if encoding else "",
        start=min(start, end),
        end=end,
    )


def read_parameters(found: Field | None) -> Parameters:
    if found is None:
        return Parameters()
    folded = decode_bytes(found.raw[:TYPE_VALUE_BYTES], "utf-8")
    return parse_parameters(unfold(folded))


def split_children(raw: bytes, part: Part, limit: int) -> list[tuple[int, int]]:
    """Where the parts between the delimiter lines begin and end (RFC 2046, 5.1.1), at most `limit` of them.

    A closing delimiter that never comes is read as the end of the multipart.
    """
    delimiter = b"\r\n--" + part.content_type.given["boundary"].encode("utf-8", "replace")
    spans: list[tuple[int, int]] = []
    begin: int | None = None
    # The line end before the first delimiter may be the one that closed the header.
    position = raw.find(delimiter, max(part.start - 2, 0), part.end)
    while position >= 0 and len(spans) < limit:
        tail = position + len(delimiter)
        line_end = raw.find(b"\r\n", tail, part.end)
        line_end = part.end if line_end < 0 else line_end
        rest = raw[tail:line_end].rstrip(b" \t") if line_end - tail <= 998 else b"x"
        if rest in (b"", b"--"):
            if begin is not None:
                spans.append((begin, max(begin, position)))
            begin = min(line_end + 2, part.end) if not rest else None
            if rest:
                return spans
        position = raw.find(delimiter, tail, part.end)
    if begin is not None and len(spans) < limit:
        spans.append((begin, part.end))
    return spans
