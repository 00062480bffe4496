"""Header fields as strangers write them."""

import pytest

from delivery.mime.fields import (
    HeadLimits,
    decode_base64,
    decode_bytes,
    decode_words,
    parse_content_type,
    parse_parameters,
    split_fields,
)
from tests.effort import assert_linear


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1?Q?Gr=FC=DFe_an_alle?=", "Grüße an alle"),
        ("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=   =?iso-8859-1?q?b?=", "ab"),
        ("=?utf-8?b?w7w=?= x =?utf-8?b?w58=?=", "ü x ß"),
        # A character cut in two between words, as some senders do.
        ("=?utf-8?b?Z8M=?= =?utf-8?b?vA==?=", "gü"),
        ("=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?q?not closed", "=?utf-8?q?not closed"),
        ("=?nonsense?q?a=C3=BC?=", "aü"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?idna?q?xn--a?=", "xn--a"),
        ("=?utf-8?q?=FF?=", "ÿ"),
    ],
)
def test_encoded_words_are_read(given: str, read_as: str) -> None:
    assert decode_words(given) == read_as


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ('attachment; filename="a b.pdf"', "filename", "a b.pdf"),
        ("attachment; filename=a.pdf", "filename", "a.pdf"),
        ('attachment; filename="a\\"b;c.pdf"', "filename", 'a"b;c.pdf'),
        ("attachment; FileName*=utf-8''%C3%BC.pdf", "filename", "ü.pdf"),
        ("attachment; filename=u.pdf; filename*=utf-8''%C3%BC.pdf", "filename", "ü.pdf"),
        ("attachment; filename*0=a; filename*1=b.pdf", "filename", "ab.pdf"),
        ("attachment; filename*1*=%BC.pdf; filename*0*=utf-8''%C3", "filename", "ü.pdf"),
        ('attachment; filename="=?utf-8?q?=C3=BC.pdf?="', "filename", "ü.pdf"),
        ('attachment; filename="open', "filename", "open"),
        ("text/plain; charset = utf-8 ; x=y", "charset", "utf-8"),
        ("text/plain;;; charset=utf-8", "charset", "utf-8"),
    ],
)
def test_parameters_are_read(given: str, name: str, value: str) -> None:
    assert parse_parameters(given).given[name] == value


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("ü".encode(), "utf-8", "ü"),
        (b"\xfc", "iso-8859-1", "ü"),
        (b"\x80", "iso-8859-1", "€"),
        (b"\xfc", "us-ascii", "ü"),
        ("ü".encode(), "us-ascii", "ü"),
        (b"\xfc", "nonsense", "ü"),
        ("ü".encode("utf-16"), "utf-16", "ü"),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本"),
        (b"a\x00b", "utf-8", "a\ufffdb"),
        (b"\\u0041", "unicode_escape", "\\u0041"),
        (b"x", "../../x", "x"),
        (b"x", "base64", "x"),
        ("aü".encode() + b"\xc3", "utf-8", "aü\ufffd"),
    ],
)
def test_text_is_read_by_the_charset_that_is_meant(data: bytes, charset: str, text: str) -> None:
    assert decode_bytes(data, charset) == text


@pytest.mark.parametrize(
    ("data", "read_as"),
    [
        (b"YWJj", b"abc"),
        (b"YW\r\nJj", b"abc"),
        (b"YWJjZA", b"abcd"),
        (b"YWJjZ", b"abc"),
        (b"YW-Jj!", b"abc"),
        (b"", b""),
    ],
)
def test_damaged_base64_gives_what_it_holds(data: bytes, read_as: bytes) -> None:
    assert decode_base64(data) == read_as


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        # One wrong byte does not cost the rest.
        ("日本".encode("gb18030") + b"\xff!", "gb2312", "日本\ufffd!"),
        ("ж".encode("koi8-r"), "KOI8-R", "ж"),
        ("ü".encode("cp1252"), "windows-1252", "ü"),
        ("ก".encode("cp874"), "windows-874", "ก"),
        (b"x\xff", "zlib", "xÿ"),
    ],
)
def test_a_damaged_text_is_read_by_its_charset_all_the_same(data: bytes, charset: str, text: str) -> None:
    assert decode_bytes(data, charset) == text


@pytest.mark.parametrize(
    ("given", "value", "parameters"),
    [
        ("Text/HTML; Charset=utf-8", "text/html", {"charset": "utf-8"}),
        ('multipart/report boundary="a b"', "multipart/report", {"boundary": "a b"}),
        ("multipart/mixed; x=y boundary=b", "multipart/mixed", {"x": "y boundary=b", "boundary": "b"}),
        ("text/plain charset=utf-8", "text/plain", {"charset": "utf-8"}),
        ("multipart/mixed", "text/plain", {}),
        ("nonsense", "text/plain", {}),
        ("text/plain/x; charset=utf-8", "text/plain", {"charset": "utf-8"}),
    ],
)
def test_a_content_type_is_read_with_what_is_forgotten_in_it(
    given: str, value: str, parameters: dict[str, str]
) -> None:
    assert parse_content_type(given).value == value
    assert parse_content_type(given).given == parameters


HEAD = b"From x Mon\nA: 1\n 2\nodd line\nB: 3\n \nbody\n\nrest"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_header_ends_at_its_first_wrong_line_or_passes_it_over(line_end: bytes) -> None:
    data = HEAD.replace(b"\n", line_end)
    fields, start = split_fields(data, (0, len(data)), HeadLimits(fields=10))
    assert ([each.decode() for each in fields], data[start:][:3]) == (["1 2"], b"odd")
    fields, start = split_fields(data, (0, len(data)), HeadLimits(fields=10, is_lenient=True))
    assert ([each.decode() for each in fields], data[start:][:4]) == (["1 2", "3"], b"body")


def test_a_header_has_limits() -> None:
    data = b"A: 1\nA: 2\nA: 3\n\nbody"
    for limits in (HeadLimits(fields=2), HeadLimits(fields=10, size=10)):
        fields, start = split_fields(data, (0, len(data)), limits)
        assert ([each.decode() for each in fields], data[start:]) == (["1", "2"], b"A: 3\n\nbody")


@pytest.mark.parametrize("unit", [b"\n ", b" ", b"\r", b"a: b\n", b"odd\n", b"\n\t\n", b"\r\n \r"])
@pytest.mark.parametrize("is_lenient", [True, False])
def test_the_work_on_a_header_is_linear(unit: bytes, is_lenient: bool) -> None:
    def run(size: int) -> None:
        data = b"A: x" + unit * size
        split_fields(data, (0, len(data)), HeadLimits(fields=10**9, size=10**9, is_lenient=is_lenient))

    assert_linear(run, 40_000)
