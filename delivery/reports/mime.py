"""A mail as the report forms read it: a tree of parts with decoded headers and bounded texts.

`delivery.mime.reader` takes it apart; here are the limits of reports, which are small, and mbox files of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from itertools import islice, pairwise

from delivery.mime.fields import Field, HeadLimits, clean_line, decode_bytes, decode_words
from delivery.mime.reader import MESSAGE_TYPES, Part, ReadLimits, read_mail

MAX_RAW = 32 * 1024 * 1024
MAX_MAILS = 50
MAX_VALUE = 4_000
MAX_NAMESAKES = 50
MAX_TEXT = 128 * 1024
_HEAD = HeadLimits(fields=1000, size=64 * 1024, is_lenient=True)
_LIMITS = ReadLimits(depth=8, parts=64, root=_HEAD, part=_HEAD, opens_messages=True)

_FIELD = re.compile(r"([!-9;-~]{1,80})[ \t]*:[ \t]*(.*)")
_MBOX_LINE = re.compile(
    rb"(\n\r?\n)From \S{1,320}[ \t]{1,4}[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [^\n]{4,40}\n"
)
_FOLD = re.compile(rb"\n[ \t]+")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAKING = re.compile(r"</?(?:br|p|div|tr|td|li|h\d|table|hr|pre|blockquote)\b", re.IGNORECASE)
_HIDDEN = re.compile(r"<(/?)(?:style|script|head|title)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MimePart:
    """One entity (RFC 2045, 2.4): decoded headers by lower-case name, its content, and what it is made of.

    `body` is empty where there are children, whose content it is.
    """

    headers: Mapping[str, tuple[str, ...]]
    media_type: str
    charset: str = "utf-8"
    body: bytes = b""
    children: tuple["MimePart", ...] = ()

    def header(self, name: str) -> str:
        """The first value of `name`, or `""`."""
        return self.headers.get(name, ("",))[0]

    @property
    def is_message(self) -> bool:
        """Whether this holds a whole mail: ours that comes back, or a forwarded one."""
        return self.media_type in MESSAGE_TYPES

    def text(self) -> str:
        """The content as text with LF line ends, without markup, at most MAX_TEXT characters; never an error."""
        text = decode_bytes(self.body, self.charset).replace("\r\n", "\n")
        return strip_markup(text) if self.media_type == "text/html" else text


def parse_mail(raw: bytes) -> MimePart:
    """The whole mail as a tree; at most MAX_RAW bytes are looked at."""
    source = raw[:MAX_RAW].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return _convert_part(read_mail(source, _LIMITS).root)


def _convert_part(part: Part) -> MimePart:
    """The part and all below it, which `_LIMITS` bounds."""
    return MimePart(
        headers=_decode_fields(part.fields),
        media_type=part.media_type,
        charset=part.charset,
        body=b"" if part.children else part.decode(2 * MAX_TEXT)[:MAX_TEXT],
        children=tuple(_convert_part(child) for child in part.children),
    )


def _decode_fields(fields: Iterable[Field]) -> dict[str, tuple[str, ...]]:
    headers: dict[str, tuple[str, ...]] = {}
    for field in fields:
        name = field.name.lower()
        if len(values := headers.get(name, ())) < MAX_NAMESAKES:
            value = decode_bytes(_FOLD.sub(b" ", field.raw[:MAX_VALUE]), "utf-8")
            headers[name] = (*values, clean_line(decode_words(value)))
    return headers


def split_mbox(raw: bytes) -> list[bytes]:
    """The mails of an mbox file (RFC 4155), at most MAX_MAILS; anything else is one mail."""
    raw = raw[:MAX_RAW]
    if not raw.startswith(b"From "):
        return [raw]
    starts = [
        0,
        *(match.start() + len(match[1]) for match in islice(_MBOX_LINE.finditer(raw), MAX_MAILS - 1)),
        len(raw),
    ]
    return [raw[start:end] for start, end in pairwise(starts)]


def walk_parts(part: MimePart) -> Iterator[MimePart]:
    """`part` and all below it that is not inside an enclosed mail, in order."""
    yield part
    if not part.is_message:
        for child in part.children:
            yield from walk_parts(child)


def parse_headers(block: str) -> dict[str, tuple[str, ...]]:
    """Header fields in a text, by lower-case name: unfolded, RFC 2047 decoded, bounded. What is no field is skipped."""
    headers: dict[str, tuple[str, ...]] = {}
    for line in re.sub(r"\n[ \t]+", " ", block).split("\n"):
        if match := _FIELD.match(line):
            name = match[1].lower()
            headers[name] = (*headers.get(name, ())[:MAX_NAMESAKES], decode_words(match[2].strip()[:MAX_VALUE]))
    return headers


def strip_markup(html: str) -> str:
    """The words of HTML, a line for each block. For reading only: nothing of it is ever shown as HTML."""
    pieces: list[str] = []
    hidden = last = 0
    for match in _TAG.finditer(html):
        if not hidden:
            pieces.append(html[last : match.start()])
        if block := _HIDDEN.match(match[0]):
            hidden = 0 if block[1] else 1
        elif _BREAKING.match(match[0]):
            pieces.append("\n")
        last = match.end()
    pieces.append(html[last:])
    return unescape("".join(pieces)).replace("\xa0", " ")
