"""Bodies as bytes that any relay forwards unchanged: 7-bit, in lines of at most 998 characters (RFC 2045, 6)."""

import re
from binascii import b2a_base64, b2a_qp
from io import BytesIO

MAXIMUM_LINE = 998  # RFC 5322, 2.1.1
BASE64_BLOCK = 57 * 1024  # whole lines: 57 bytes make 76 characters
PLAIN = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F)])
# Each begins with a fixed byte, to which `re` jumps: half the time of `in` for a few bytes.
FRAGILE_LINE = re.compile(rb"\n(?:(?<=[ \t]\r\n)|From)")
BOUNDARY = re.compile(rb"--=_")
FROM = re.compile(rb"^From ([^\r\n]*)", re.MULTILINE)
SPILT = re.compile(rb"^([^\r\n]{74,75})(=(?:20|09))(?=\r\n)", re.MULTILINE)


class BodyError(ValueError):
    """A body holds half of a surrogate pair and cannot be encoded."""


def text_entity(subtype: str, text: str, *, is_closing: bool) -> bytes:
    """A text entity: its Content-Type and Content-Transfer-Encoding, the empty line, and `text` in UTF-8.

    `subtype` may have parameters of its own, `calendar; method=REQUEST`.

    Every line end (CRLF, LF, CR) becomes CRLF; all other text arrives unchanged, trailing spaces included. No last line
    end is added: inside a multipart the delimiter owns the line end before it (RFC 2046, 5.1.1). With `is_closing` the
    entity ends the message, and a soft line break of quoted-printable hides the last line end. Raises BodyError.
    """
    encoding, body = encode_text(text, is_closing=is_closing)
    return b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (
        subtype.encode("ascii"),
        encoding,
        body,
    )


def encode_text(text: str, *, is_closing: bool) -> tuple[bytes, bytes]:
    """The transfer encoding's name, and `text` in it: 7bit where it is safe, else the shorter of the two others."""
    data = canonical_bytes(text)
    is_open = not data.endswith(b"\r\n") and bool(data)
    odd_count = len(data.translate(None, PLAIN))
    if not odd_count and not (is_open and is_closing) and not has_fragile_lines(data):
        return b"7bit", data
    # quoted-printable adds two bytes for each one quoted and three for each soft line break, base64 37 % in all
    if 2 * (odd_count + data.count(b"=")) < 0.33 * len(data):
        return b"quoted-printable", quoted_printable(data, is_closing=is_closing)
    return b"base64", base64_lines(data, is_closing=is_closing)


def canonical_bytes(text: str) -> bytes:
    """`text` in UTF-8 with CRLF at every line end."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise BodyError("the body holds half of a surrogate pair") from None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.replace(b"\n", b"\r\n")


def has_fragile_lines(data: bytes) -> bool:
    """Whether 7bit is unsafe: a line is too long, ends in white space, or looks like our delimiter or a mailbox file's.

    Programs that keep mail in one file write `>From ` for a line that begins with `From ` (RFC 4155).
    """
    return (
        FRAGILE_LINE.search(data) is not None
        or data.endswith((b" ", b"\t"))
        or data.startswith(b"From")
        or BOUNDARY.search(data) is not None
        or has_long_line(data)
    )


def has_long_line(data: bytes) -> bool:
    """Whether a line is longer than 998 bytes. It jumps from one line end to the last one in reach, for speed."""
    start, size = 0, len(data)
    while size - start > MAXIMUM_LINE:
        end = data.rfind(b"\n", start, start + MAXIMUM_LINE + 2)
        if end < 0:
            return True
        start = end + 1
    return False


def quoted_printable(data: bytes, *, is_closing: bool) -> bytes:
    """`data`, whose line ends are all CRLF, in lines of at most 76 characters (RFC 2045, 6.7)."""
    is_open = not data.endswith(b"\r\n")
    # binascii uses the first kind of line end that it finds for its soft line breaks
    encoded = b2a_qp(data + b"\r\n" if is_open else data)
    # binascii quotes these characters after it has measured the line
    if b"=20\r\n" in encoded or b"=09\r\n" in encoded:
        encoded = SPILT.sub(rb"\1=\r\n\2", encoded)
    if b"From " in encoded:
        encoded = FROM.sub(quote_from, encoded)
    if is_open:
        encoded = encoded[:-2] + b"=\r\n" if is_closing else encoded[:-2]
    return encoded


def quote_from(match: re.Match[bytes]) -> bytes:
    """The line with its first letter quoted, in two lines when it would be too long."""
    rest = match[1]
    return b"=46rom " + rest if len(rest) <= 76 - len("=46rom ") else b"=46rom=\r\n " + rest


def base64_lines(data: bytes, *, is_closing: bool = True) -> bytes:
    """`data` in base64, in lines of 76 characters, each with its CRLF, but for the last one's without `is_closing`
    (RFC 2045, 6.8).

    It is done block by block, since a line as an object of its own takes twice its bytes, and into one buffer, which
    becomes the result: a list of the blocks would be in memory beside it.
    """
    encoded = BytesIO()
    for start in range(0, len(data), BASE64_BLOCK):
        encoded.write(_encode_block(data[start : start + BASE64_BLOCK]))
    if data and not is_closing:
        encoded.truncate(encoded.tell() - len(b"\r\n"))
    return encoded.getvalue()


def _encode_block(data: bytes) -> bytes:
    encoded = b2a_base64(data, newline=False)
    lines = [encoded[start : start + 76] for start in range(0, len(encoded), 76)]
    lines.append(b"")
    return b"\r\n".join(lines)
