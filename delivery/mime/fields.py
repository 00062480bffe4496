"""Header fields read leniently and in linear time, whatever a stranger wrote into them. Lines end in CRLF or LF.

The standard library's parsers fold, guess and recurse in places where a hostile mail makes them slow or makes them
raise; here nothing raises, and everything returned is printable text that PostgreSQL can store.
"""

import binascii
import codecs
import re
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import unquote_to_bytes

PARAMETER_LIMIT = 40
FIELD_NAME = re.compile(rb"[!-9;-~]{1,998}(?=[ \t]*:)")
ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{1,40})?\?([BbQq])\?([^?]*)\?=")
PARAMETER = re.compile(r""";\s*([^\s=;"]{1,100})\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""", re.DOTALL)
CONTINUATION = re.compile(r"(.+?)\*(\d{1,3})(\*?)\Z")
FOLD = re.compile(r"\r?\n(?=[ \t])")
FIELD_END = re.compile(rb"\r?\n(?![ \t])")
EMPTY_LINE = re.compile(rb"\r?\n")
# Reports come from hosts that pad the empty line, too.
LENIENT_FIELD_END = re.compile(rb"\r?\n(?![ \t]+[^ \t\r\n])")
LENIENT_EMPTY_LINE = re.compile(rb"[ \t]*\r?\n")
MEDIA_TYPE = re.compile(r"\s*([a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100})(?=[\s;]|\Z)")
# Some senders forget a semicolon before it.
STRAY_PARAMETER = re.compile(r"""\s(boundary|charset)\s*=\s*("[^"]{1,200}"|[^\s;"]{1,200})""", re.IGNORECASE)
CHARSET_NAME = re.compile(r"[A-Za-z0-9_.:+-]{1,40}\Z")
# C0, DEL and C1 controls, line and paragraph separators, and surrogates, which PostgreSQL's text cannot hold.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
BREAKS_TEXT = re.compile("[\x00\ud800-\udfff]")
# Mail says one and means the other, as browsers know too (WHATWG Encoding). Those that are no charsets of mail, but
# quadratic in time or reading escapes out of the text, are read as UTF-8.
MEANT_CODECS = {
    "ascii": "utf-8",
    "idna": "utf-8",
    "punycode": "utf-8",
    "unicode_escape": "utf-8",
    "raw-unicode-escape": "utf-8",
    "unicode-escape": "utf-8",
    "raw_unicode_escape": "utf-8",
    "undefined": "utf-8",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its name as written, and its raw value, still folded."""

    name: str
    raw: bytes

    def decode(self) -> str:
        """The value as people read it: unfolded, RFC 2047 words decoded, control characters as one space."""
        return clean_line(decode_words(unfold(decode_bytes(self.raw, "utf-8"))))


@dataclass(frozen=True, slots=True)
class Parameters:
    """A `Content-Type` or `Content-Disposition`: the lower-case value before the first semicolon, and the rest."""

    value: str = ""
    given: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """How much header is read; what comes after counts as body.

    A line that is no header field ends the header, unless `is_lenient` after a first field: then it is passed over.
    """

    fields: int
    size: int = 1024 * 1024  # bytes
    is_lenient: bool = False


def split_fields(data: bytes, span: tuple[int, int], limits: HeadLimits) -> tuple[list[Field], int]:
    """The header fields of the bytes in that span, and where the body begins.

    The block ends at the empty line. A mail without any header is all body.
    """
    fields: list[Field] = []
    start, end = span
    limit = min(end, start + limits.size)
    empty_line = LENIENT_EMPTY_LINE if limits.is_lenient else EMPTY_LINE
    if data.startswith(b"From ", start, end):  # a mailbox file's separator, sent along
        start = find_field_end(data, (start, limit), limits)[1]
    while start < limit and len(fields) < limits.fields:
        if empty := empty_line.match(data, start, end):
            return fields, empty.end()
        name = FIELD_NAME.match(data, start, limit)
        if name is None and not (fields and limits.is_lenient):
            return fields, start
        stop, following = find_field_end(data, (start, limit), limits)
        if name is not None:
            colon = data.index(b":", name.end())
            fields.append(Field(name[0].decode("ascii"), data[colon + 1 : stop].strip()))
        start = following
    return fields, start


def find_field_end(data: bytes, span: tuple[int, int], limits: HeadLimits) -> tuple[int, int]:
    """Where the field ends, at the first line end that white space does not continue, and where the next begins."""
    found = (LENIENT_FIELD_END if limits.is_lenient else FIELD_END).search(data, *span)
    return found.span() if found else (span[1], span[1])


def find_field(fields: list[Field], name: str) -> Field | None:
    """The first field of that name, in any case."""
    wanted = name.lower()
    return next((each for each in fields if each.name.lower() == wanted), None)


def unfold(text: str) -> str:
    """A folded value as one line (RFC 5322, 2.2.3)."""
    return FOLD.sub("", text)


def clean_line(text: str) -> str:
    """One line of printable text."""
    return UNPRINTABLE.sub(" ", text).strip()


def decode_bytes(data: bytes, charset: str) -> str:
    """`data` as text by `charset`, or UTF-8, or Latin-1: never an error, and nothing that PostgreSQL refuses."""
    for name in (find_codec(charset), "utf-8"):
        try:
            return BREAKS_TEXT.sub("\ufffd", data.decode(name))
        except (UnicodeError, LookupError):
            continue
    # One wrong byte in a long text must not cost the rest of it.
    name = find_codec(charset)
    if name == "utf-8" and not is_mostly_utf8(data):
        name = "latin-1"
    try:
        text = data.decode(name, "replace")
    except (UnicodeError, LookupError):  # no codec of text, or one that knows no replacement
        text = data.decode("latin-1")
    return BREAKS_TEXT.sub("\ufffd", text)


def is_mostly_utf8(data: bytes) -> bool:
    """Whether UTF-8 that was cut or damaged is likelier than Latin-1: some valid sequence stands in it."""
    return re.search(rb"[\xc3-\xf4][\x80-\xbf]", data) is not None


def find_codec(charset: str) -> str:
    """The codec's name for a charset's, `utf-8` for one that is unknown or unfit."""
    if not CHARSET_NAME.match(charset):
        return "utf-8"
    try:
        name = codecs.lookup(charset.lower().replace("windows-", "cp")).name
    except LookupError:
        return "utf-8"
    return MEANT_CODECS.get(name, name)


def decode_words(text: str) -> str:
    """RFC 2047 words decoded; neighbours of one charset are joined first, since some split a character in two."""
    pieces: list[str] = []
    pending: list[bytes] = []
    charset, end = "", 0
    for word in ENCODED_WORD.finditer(text):
        gap, name = text[end : word.start()], word[1].lower()
        is_neighbour = bool(pending) and not gap.strip()
        if not is_neighbour or name != charset:
            pieces.append(decode_bytes(b"".join(pending), charset))
            pending.clear()
        if not is_neighbour:
            pieces.append(gap)
        pending.append(decode_word(word[2], word[3]))
        charset, end = name, word.end()
    pieces += [decode_bytes(b"".join(pending), charset), text[end:]]
    return "".join(pieces)


def decode_word(encoding: str, payload: str) -> bytes:
    """The bytes of one encoded word."""
    data = payload.encode("utf-8", "replace")
    return decode_base64(data) if encoding in "Bb" else binascii.a2b_qp(data, header=True)


def decode_base64(data: bytes) -> bytes:
    """What can be read of base64: foreign characters, missing padding and a cut end are passed over."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def parse_parameters(text: str) -> Parameters:
    """`text/plain; charset="utf-8"` → its parts, with RFC 2231's continued and percent-encoded parameters joined."""
    value, semicolon, rest = text.partition(";")
    plain: dict[str, str] = {}
    split: dict[str, list[tuple[int, bool, str]]] = {}
    for found in islice(PARAMETER.finditer(semicolon + rest), PARAMETER_LIMIT):
        key, given = found[1].lower(), unquote_value(found[2])
        if section := CONTINUATION.match(key):
            split.setdefault(section[1], []).append((int(section[2]), bool(section[3]), given))
        elif key.endswith("*"):
            split.setdefault(key[:-1], []).append((0, True, given))
        elif key not in plain:
            plain[key] = decode_words(given)
    joined = {key: join_sections(sorted(sections)) for key, sections in split.items()}
    return Parameters(value.strip().lower(), {key: clean_line(each) for key, each in (plain | joined).items()})


def parse_content_type(text: str) -> Parameters:
    """A `Content-Type`, `text/plain` for what is none (RFC 2045, 5.2), which a multipart without a boundary is, too."""
    parsed = parse_parameters(text)
    given = parsed.given
    for stray in islice(STRAY_PARAMETER.finditer(text), PARAMETER_LIMIT):
        given.setdefault(stray[1].lower(), clean_line(unquote_value(stray[2])))
    found = MEDIA_TYPE.match(parsed.value)
    if found is None or (found[1].startswith("multipart/") and not given.get("boundary")):
        return Parameters("text/plain", given)
    return Parameters(found[1], given)


def unquote_value(text: str) -> str:
    """A parameter's value without its quotes and backslashes."""
    text = text.strip()
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:].removesuffix('"'), flags=re.DOTALL)


def join_sections(sections: list[tuple[int, bool, str]]) -> str:
    """RFC 2231: `charset'language'percent-encoded`, in numbered sections of which some are encoded."""
    charset, data = "utf-8", b""
    for number, is_encoded, text in sections:
        if is_encoded and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if is_encoded else text.encode("utf-8", "replace")
    return decode_bytes(data, charset)
