"""A mail taken apart with bounds: however it nests, lies about its encoding, or is broken, the work stays linear.

The standard library's parser recurses for each level and keeps all; here depth, parts, headers and bytes have limits,
and what lies beyond them is not looked at.
"""

import binascii
import codecs
import quopri
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from html import unescape
from itertools import islice, pairwise

MAX_RAW = 32 * 1024 * 1024
MAX_MAILS = 50
MAX_DEPTH = 8
MAX_PART = 4 * 1024 * 1024
MAX_PARTS = 64
MAX_HEADERS = 64 * 1024
MAX_VALUE = 4_000
MAX_TEXT = 128 * 1024

# Every charset that reports were seen in, and their neighbours; looked up only when it is one of these. Not among them:
# `punycode` and `idna`, whose decoders take quadratic time, and Python's own codecs, which are no charsets.
_CHARSET_NAME = re.compile(
    r"(?:us-)?ascii|ansi-x3\.4-1968|(?:unicode-1-1-)?utf-?7|utf-?8|utf-?16(?:[bl]e)?|latin-?\d|iso-?8859-\d{1,2}"
    r"|(?:windows-|cp-?)(?:125\d|874|932|936|949|950|437|850|866)|koi8-[ru]|iso-2022-(?:jp(?:-[123])?|kr)"
    r"|euc-?(?:jp|kr)|shift-?jis|sjis|gb2312|gbk|gb18030|big5(?:-hkscs)?|hz-gb-2312|ks-c-5601-1987|tis-620|macintosh"
)
_FIELD = re.compile(r"([!-9;-~]{1,80})[ \t]*:[ \t]*(.*)")
_TYPE = re.compile(r"\s*([\w.+-]{1,60}/[\w.+-]{1,60})")
_BOUNDARY = re.compile(r'\bboundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_CHARSET = re.compile(r"\bcharset\s*=\s*[\"']?([\w.:+-]{1,40})", re.IGNORECASE)
_MBOX_LINE = re.compile(
    rb"(\n\r?\n)From \S{1,320}[ \t]{1,4}[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [^\n]{4,40}\n"
)
_BLANK_LINE = re.compile(rb"\n[ \t]*\n")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAKING = re.compile(r"</?(?:br|p|div|tr|td|li|h\d|table|hr|pre|blockquote)\b", re.IGNORECASE)
_HIDDEN = re.compile(r"<(/?)(?:style|script|head|title)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MimePart:
    """One entity (RFC 2045, 2.4): decoded headers by lower-case name, its content, and what it is made of."""

    headers: Mapping[str, tuple[str, ...]]
    media_type: str
    content_type: str
    body: bytes
    children: tuple["MimePart", ...] = ()

    def header(self, name: str) -> str:
        """The first value of `name`, or `""`."""
        return self.headers.get(name, ("",))[0]

    @property
    def is_message(self) -> bool:
        """Whether this holds a whole mail: ours that comes back, or a forwarded one."""
        return self.media_type in {"message/rfc822", "message/global"}

    def text(self) -> str:
        """The content as text with LF line ends, without markup, at most MAX_TEXT characters; never an error."""
        match = _CHARSET.search(self.content_type)
        text = decode_text(self.body, match[1] if match else "utf-8")
        return strip_markup(text) if self.media_type == "text/html" else text


def parse_mail(raw: bytes) -> MimePart:
    """The whole mail as a tree; at most MAX_RAW bytes are looked at."""
    return _parse_part(raw[:MAX_RAW].replace(b"\r\n", b"\n").replace(b"\r", b"\n"), 0, [MAX_PARTS])


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
    """Header fields by lower-case name: unfolded, RFC 2047 decoded, bounded. What is no field is skipped."""
    headers: dict[str, tuple[str, ...]] = {}
    for line in re.sub(r"\n[ \t]+", " ", block).split("\n"):
        if match := _FIELD.match(line):
            name = match[1].lower()
            headers[name] = (*headers.get(name, ())[:50], decode_words(match[2].strip()[:MAX_VALUE]))
    return headers


def decode_words(value: str) -> str:
    """RFC 2047 encoded words as text; a malformed one stays as it is."""
    if "=?" not in value:
        return value
    try:
        chunks = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(c if isinstance(c, str) else decode_text(c, charset or "latin-1") for c, charset in chunks)


def decode_text(body: bytes, charset: str) -> str:
    """`body` as text; a charset that lies, or is not one, falls back to UTF-8 and then Latin-1."""
    body = body[:MAX_TEXT]
    for name in (_known_charset(charset), "utf-8"):
        try:
            return body.decode(name)
        except UnicodeDecodeError:
            continue
    # One wrong byte in a long report must not cost the rest of it.
    return body.decode(_known_charset(charset), "replace")


def _known_charset(name: str) -> str:
    name = name.lower().replace("_", "-")
    if not _CHARSET_NAME.fullmatch(name):
        return "utf-8"
    try:
        return codecs.lookup(name.replace("windows-", "cp")).name
    except LookupError:
        return "utf-8"


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


def _parse_part(raw: bytes, depth: int, budget: list[int]) -> MimePart:
    budget[0] -= 1
    headers, body = _split_headers(raw)
    content_type = headers.get("content-type", ("text/plain",))[0]
    match = _TYPE.match(content_type)
    media_type = match[1].lower() if match else "text/plain"
    encoding = headers.get("content-transfer-encoding", ("",))[0].strip().lower()
    boundary = _BOUNDARY.search(content_type)
    children: tuple[MimePart, ...] = ()
    if media_type.startswith("multipart/") and boundary and depth < MAX_DEPTH:
        pieces = _split_body(body, (boundary[1] or boundary[2]).rstrip())
        children = tuple(_parse_part(piece[:MAX_PART], depth + 1, budget) for piece in pieces if budget[0] > 0)
    elif media_type in {"message/rfc822", "message/global"} and depth < MAX_DEPTH and budget[0] > 0:
        children = (_parse_part(_decode_body(body, encoding).lstrip(b"\n"), depth + 1, budget),)
    else:
        body = _decode_body(body[: 2 * MAX_TEXT], encoding)
    # A parent's text is its children's: held once.
    kept = b"" if children else body[:MAX_TEXT]
    return MimePart(headers=headers, media_type=media_type, content_type=content_type, body=kept, children=children)


def _split_headers(raw: bytes) -> tuple[dict[str, tuple[str, ...]], bytes]:
    if raw.startswith(b"\n"):
        return {}, raw[1:]
    match = _BLANK_LINE.search(raw, 0, MAX_HEADERS)
    end, start = (match.start(), match.end()) if match else (min(len(raw), MAX_HEADERS), len(raw))
    block = decode_text(raw[:end], "utf-8")
    if not _FIELD.match(block) and not block.startswith("From "):
        return {}, raw
    return parse_headers(block), raw[start:]


def _split_body(body: bytes, boundary: str) -> list[bytes]:
    mark = re.compile(rb"(?:^|\n)--" + re.escape(boundary.encode("utf-8", "replace")) + rb"(--)?[ \t]*(?=\n|$)")
    pieces: list[bytes] = []
    start = -1
    for match in mark.finditer(body):
        if start >= 0:
            pieces.append(body[start : match.start()])
        start = match.end() + 1
        if match[1] or len(pieces) >= MAX_PARTS:
            break
    else:
        if start >= 0:
            pieces.append(body[start:])
    # Without a single boundary line the type lied: the body is one part.
    return pieces or [b"\n" + body]


def _decode_body(body: bytes, encoding: str) -> bytes:
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding == "base64":
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        try:
            return binascii.a2b_base64(letters[: len(letters) // 4 * 4] or b"")
        except binascii.Error:
            return body
    return body
