"""A mail that anybody wrote, taken apart within bounds: however it nests or lies, the work is linear in its size.

The standard library's parser recurses for each level and keeps all. Here the parts are found by scanning for their
delimiters with a stack, they are places in the mail's bytes, and depth, parts and header fields have limits.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from delivery.mime.fields import (
    Field,
    HeadLimits,
    Parameters,
    decode_base64,
    decode_bytes,
    parse_content_type,
    parse_parameters,
    split_fields,
    unfold,
)

TYPE_VALUE_BYTES = 4096  # a longer Content-Type or Content-Disposition is read up to here
MESSAGE_TYPES = frozenset({"message/rfc822", "message/global"})
PATH_SEPARATOR = re.compile(r"[/\\]")
LINE_ENDS = re.compile(rb"[\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """How far a mail is taken apart. `opens_messages`: a mail that is enclosed has its own mail as its one child."""

    depth: int
    parts: int
    root: HeadLimits
    part: HeadLimits
    opens_messages: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Part:
    """One entity (RFC 2045, 2.4); `start` and `end` bound its still encoded body in `source`."""

    source: bytes
    start: int
    end: int
    fields: list[Field]
    content_type: Parameters
    disposition: Parameters
    content_id: str
    encoding: str
    children: list["Part"] = field(default_factory=list)

    @property
    def media_type(self) -> str:
        return self.content_type.value

    @property
    def charset(self) -> str:
        return self.content_type.given.get("charset", "utf-8")

    @property
    def filename(self) -> str:
        """Its base name as given, or empty."""
        given = self.disposition.given.get("filename") or self.content_type.given.get("name") or ""
        return PATH_SEPARATOR.split(given)[-1][:255]

    def decode(self, most: int | None = None) -> bytes:
        """Its bytes, transfer encoding undone; of the encoded ones at most so many."""
        data = self.source[self.start : self.end if most is None else min(self.end, self.start + most)]
        if self.encoding == "base64":
            return decode_base64(data)
        return binascii.a2b_qp(data) if self.encoding == "quoted-printable" else data

    def decode_text(self) -> str:
        """Its text by its charset, each line end as `\\n`."""
        return decode_bytes(self.decode(), self.charset).replace("\r\n", "\n")


@dataclass(slots=True, kw_only=True)
class MailTree:
    """What was read. `is_too_deep` and `has_more_parts` tell that parts were not looked into, or not looked for."""

    root: Part
    is_too_deep: bool = False
    has_more_parts: bool = False

    def list_leaves(self) -> Iterator[Part]:
        """The parts without children, in their order."""
        stack = [self.root]
        while stack:
            part = stack.pop()
            if not part.children:
                yield part
            stack += reversed(part.children)


def read_mail(source: bytes, limits: ReadLimits) -> MailTree:
    """Take `source` apart (RFC 2045, RFC 2046), leniently; never an error."""
    tree = MailTree(root=read_part(source, (0, len(source)), limits.root))
    room = limits.parts
    stack = [(0, tree.root)]
    while stack and room:
        depth, part = stack.pop()
        children = list_children(part, limits, room)
        if children and depth >= limits.depth:
            tree.is_too_deep = True
            continue
        room -= len(children)
        tree.has_more_parts = bool(children) and not room
        part.children = children
        stack += [(depth + 1, child) for child in reversed(children)]
    return tree


def read_part(source: bytes, span: tuple[int, int], limits: HeadLimits) -> Part:
    """The part at that place, not looked into."""
    fields, start = split_fields(source, span, limits)
    named = {each.name.lower(): each for each in reversed(fields)}
    encoding, content_id = named.get("content-transfer-encoding"), named.get("content-id")
    return Part(
        source=source,
        start=min(start, span[1]),
        end=span[1],
        fields=fields,
        content_type=parse_content_type(read_value(named.get("content-type"))),
        disposition=parse_parameters(read_value(named.get("content-disposition"))),
        content_id=content_id.decode().strip("<>")[:998] if content_id else "",
        encoding=encoding.decode().lower() if encoding else "",
    )


def read_value(found: Field | None) -> str:
    """A field's value, unfolded, its encoded words as they are."""
    return unfold(decode_bytes(found.raw[:TYPE_VALUE_BYTES], "utf-8")) if found else ""


def list_children(part: Part, limits: ReadLimits, most: int) -> list[Part]:
    """The parts of a multipart, or the mail in an enclosed one; a multipart without any becomes a text."""
    if part.media_type in MESSAGE_TYPES and limits.opens_messages:
        return [read_enclosed(part, limits.root)]
    if not part.media_type.startswith("multipart/"):
        return []
    spans = split_body(part, most)
    if not spans:
        part.content_type = Parameters("text/plain", part.content_type.given)
    return [read_part(part.source, span, limits.part) for span in spans]


def read_enclosed(part: Part, limits: HeadLimits) -> Part:
    """The mail that is this part's content; some senders begin it with empty lines."""
    if part.encoding in {"base64", "quoted-printable"}:
        content = part.decode()
        span = 0, len(content)
    else:
        content, span = part.source, (part.start, part.end)
    begin = LINE_ENDS.match(content, *span)
    return read_part(content, (begin.end() if begin else span[0], span[1]), limits)


def split_body(part: Part, most: int) -> list[tuple[int, int]]:
    """Where the parts between the delimiter lines begin and end (RFC 2046, 5.1.1), at most so many.

    A closing delimiter that never comes is read as the end of the multipart.
    """
    source, end = part.source, part.end
    delimiter = b"\n--" + part.content_type.given["boundary"].encode("utf-8", "replace")
    spans: list[tuple[int, int]] = []
    begin: int | None = None
    # The line end before the first delimiter may be the one that closed the header.
    position = source.find(delimiter, max(part.start - 1, 0), end)
    while position >= 0 and len(spans) < most:
        tail = position + len(delimiter)
        line_end = source.find(b"\n", tail, end)
        line_end = end if line_end < 0 else line_end
        rest = source[tail:line_end].rstrip(b" \t\r") if line_end - tail <= 998 else b"x"
        if rest in (b"", b"--"):
            if begin is not None:
                spans.append((begin, max(begin, position - (source[position - 1 : position] == b"\r"))))
            begin = min(line_end + 1, end) if not rest else None
            if rest:
                return spans
        position = source.find(delimiter, tail, end)
    if begin is not None and len(spans) < most:
        spans.append((begin, end))
    return spans
