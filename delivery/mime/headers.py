"""Header fields as bytes: validated, encoded and folded (RFC 5322, RFC 2047, RFC 2231).

No output can start another header: names are tokens, and values hold no control characters. The API rejects such input
before; this is the last line of defence.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from delivery.records import record

LINE = 76  # RFC 2047, 2: lines with encoded words hold 76 at most; RFC 5322 asks for 78
HARD_LINE = 998  # RFC 5322, 2.1.1
ENCODED_ROOM = 75 - len("=?utf-8?q??=")  # RFC 2047, 2: an encoded word holds 75 at most
LEAST_ROOM = 12  # one character of four bytes, quoted

NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
ADDRESS = re.compile(
    r"""(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+|"(?:[ !#-\[\]-~]|\\[ -~])+")@(?:[A-Za-z0-9._-]+|\[[A-Za-z0-9.:]+\])"""
)
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LOOKS_ENCODED = re.compile(r"=\?[^?]*\?[bq]\?", re.IGNORECASE)
WORDS = re.compile(r" +[^ ]+")
# A line is not folded at several spaces: some readers make one of them.
TEXT_WORDS = re.compile(r" [^ ]+(?:  +[^ ]+)*")

QUOTED = (
    {byte: f"={byte:02X}" for byte in range(256)}
    | {
        # RFC 2047, 5 (3): characters that need no encoding in a phrase, and so anywhere
        byte: chr(byte)
        for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
    }
    | {0x20: "_"}
)


class HeaderError(ValueError):
    """A header's name or value is invalid. `header` is the name, `reason` the cause; the value is not repeated."""

    def __init__(self, header: str, reason: str) -> None:
        super().__init__(f"{header}: {reason}")
        self.header = header
        self.reason = reason


@record(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """An address in a header; `address` is ASCII (`local@a-label`), `name` any text or empty."""

    name: str = ""
    address: str


def check_name(name: str) -> None:
    """Raise HeaderError unless `name` is a token (RFC 9110, 5.6.2, which is narrower than RFC 5322)."""
    if not NAME.fullmatch(name):
        raise HeaderError(ascii(name)[:80], "is not a header name")


def check_value(name: str, value: str) -> None:
    """Raise HeaderError when `value` holds a control character, a line separator or half of a surrogate pair."""
    if UNSAFE.search(value):
        raise HeaderError(name, "holds a control character")


def unstructured(name: str, value: str) -> bytes:
    """`Name: value` of any text, folded, with its CRLF. A reader decodes exactly `value`."""
    check_name(name)
    check_value(name, value)
    if value.isascii():
        if len(name) + len(value) + 2 <= LINE and "=?" not in value and value == value.strip(" "):
            return f"{name}: {value}\r\n".encode("ascii")
        if not must_encode(name, value):
            return fold_header(name, TEXT_WORDS.findall(" " + value))
    return fold_header(name, [" " + word for word in encoded_words(value, LINE - len(name) - 2)])


def must_encode(name: str, value: str) -> bool:
    """Whether this ASCII value would change in transit without encoding."""
    if LOOKS_ENCODED.search(value) or value != value.strip(" "):
        return True
    longest = HARD_LINE - len(name) - 2
    return len(value) > longest and max(map(len, TEXT_WORDS.findall(" " + value))) > longest


def structured(name: str, value: str) -> bytes:
    """`Name: value` with its CRLF, where `value` is ASCII of a known syntax: never encoded, folded only at spaces."""
    check_value(name, value)
    if not value.isascii():
        raise HeaderError(name, "holds a character outside ASCII")
    return fold_header(name, WORDS.findall(" " + value))


def mailboxes(name: str, members: Sequence[Mailbox]) -> bytes:
    """`Name: mailbox, mailbox…` (RFC 5322, 3.4), folded, with its CRLF; `b""` without mailboxes."""
    chunks: list[str] = []
    last = len(members) - 1
    for index, mailbox in enumerate(members):
        chunks += mailbox_chunks(name, mailbox)
        if index != last:
            chunks[-1] += ","
    return fold_header(name, chunks) if chunks else b""


def mailbox_chunks(name: str, mailbox: Mailbox) -> list[str]:
    """The pieces of one mailbox, each with its leading space; a line may be folded between them."""
    address = mailbox.address
    if not ADDRESS.fullmatch(address):
        raise HeaderError(name, "holds a mailbox that is not an ASCII address")
    if LOOKS_ENCODED.search(address) and not address.startswith(
        '"'
    ):  # a valid local part; quoted, no reader may decode it (RFC 2047, 5)
        local, _, domain = address.rpartition("@")
        address = f'"{local}"@{domain}'
    if not mailbox.name:
        return [f" {address}"]
    check_value(name, mailbox.name)
    return [*(f" {word}" for word in phrase(name, mailbox.name)), f" <{address}>"]


def phrase(name: str, text: str) -> list[str]:
    """A display name as atoms, one quoted string, or encoded words, so that it arrives unchanged."""
    if text.isascii() and not LOOKS_ENCODED.search(text):
        if ATOMS.fullmatch(text) and len(text) <= ENCODED_ROOM:
            return text.split(" ")
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        if len(escaped) <= ENCODED_ROOM:
            return [f'"{escaped}"']
    return encoded_words(text, LINE - len(name) - 2)


def encoded_words(text: str, first_line: int) -> list[str]:
    """`text` as RFC 2047 words in UTF-8 of at most 75 characters, none of which splits a character.

    `first_line` is the room for the first word on the header's first line. The shorter of the two encodings is used.
    """
    room = min(first_line - 12, ENCODED_ROOM)
    if room < LEAST_ROOM:
        room = ENCODED_ROOM
    data = text.encode("utf-8")
    quoted_size = sum(len(QUOTED[byte]) for byte in data)
    if quoted_size <= (len(data) + 2) // 3 * 4:
        return [f"=?utf-8?q?{piece}?=" for piece in quoted_pieces(text, room)]
    return [f"=?utf-8?b?{b64encode(piece).decode('ascii')}?=" for piece in byte_pieces(data, room // 4 * 3)]


def quoted_pieces(text: str, room: int) -> Iterable[str]:
    piece = ""
    for character in text:
        unit = "".join([QUOTED[byte] for byte in character.encode("utf-8")])
        if len(piece) + len(unit) > room:
            yield piece
            piece, room = "", ENCODED_ROOM
        piece += unit
    yield piece


def byte_pieces(data: bytes, room: int) -> Iterable[bytes]:
    """UTF-8 split between characters; the first piece has at most `room` bytes."""
    start = 0
    while start < len(data):
        end = start + room
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end]
        start, room = end, ENCODED_ROOM // 4 * 3


def fold_header(name: str, chunks: Iterable[str]) -> bytes:
    """Fold `chunks`, each with its leading white space, into lines of 76 where they allow it; with the last CRLF.

    Unfolding (removing CRLF) restores the joined chunks. The first chunk stays on the first line, since some readers
    fail on a field name alone; an encoded word moves down when the line would be too long for it.
    """
    line = f"{name}:"
    lines: list[str] = []
    is_bare = True
    for chunk in chunks:
        if len(line) + len(chunk) > LINE and (not is_bare or chunk.startswith(" =?")):
            lines.append(line)
            line = chunk
        else:
            line += chunk
        is_bare = False
    lines.append(line)
    if max(map(len, lines)) > HARD_LINE:
        raise HeaderError(name, "holds a word that is longer than the maximum line")
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def date(name: str, moment: datetime) -> bytes:
    """`Name: Sat, 22 Nov 2025 17:36:11 +0000` (RFC 5322, 3.3), always in UTC and in English."""
    if moment.tzinfo is None:
        raise HeaderError(name, "has no UTC offset")
    utc = moment.astimezone(UTC)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[utc.weekday()]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[utc.month - 1]
    return (
        f"{name}: {day}, {utc.day:02} {month} {utc.year:04} {utc.hour:02}:{utc.minute:02}:{utc.second:02} +0000\r\n"
    ).encode("ascii")


def parameter(name: str, attribute: str, value: str) -> list[str]:
    """A parameter of Content-Type or Content-Disposition as chunks without separators (RFC 2045, RFC 2231).

    Plain ASCII becomes a quoted string; anything else the extended form, in numbered sections when it is long.
    """
    check_value(name, value)
    if is_plain(value):
        return [f'{attribute}="{value}"']
    units = [quote(character, safe="") for character in value]
    room = LINE - len(attribute) - len(" *10*=utf-8'';")
    sections = [""]
    for unit in units:
        if len(sections[-1]) + len(unit) > room:
            sections.append("")
        sections[-1] += unit
    if len(sections) == 1:
        return [f"{attribute}*=utf-8''{sections[0]}"]
    sections[0] = "utf-8''" + sections[0]
    return [f"{attribute}*{index}*={section}" for index, section in enumerate(sections)]


def is_plain(value: str) -> bool:
    """Whether every reader, however old, decodes this value correctly from a quoted string."""
    return (
        value.isascii()
        and len(value) <= 255
        and not any(character in value for character in '"\\<>')
        and value == value.strip(" ")
        and not LOOKS_ENCODED.search(value)
    )
