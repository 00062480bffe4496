"""Reading mail leniently: what real senders write, and what they write wrongly."""

import pytest

from inbox.headers import decode_base64, decode_bytes, decode_words, parse_parameters
from inbox.mime import MailContent, read_content


def read(text: str | bytes) -> MailContent:
    raw = text.encode() if isinstance(text, str) else text
    return read_content(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


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


def test_quoted_printable_is_read() -> None:
    content = read("Content-Transfer-Encoding: Quoted-Printable\n\nGr=C3=BC=C3=9Fe =\ndort=\n")
    assert content.text == "Grüße dort"


def test_a_mail_without_headers_is_all_text() -> None:
    assert read("just words\nand more\n").text == "just words\nand more\n"


def test_a_broken_header_line_ends_the_header() -> None:
    content = read("Subject: x\nno header\nTo: y\n\nbody\n")
    assert [field.name for field in content.fields] == ["Subject"]
    assert content.text == "no header\nTo: y\n\nbody\n"


def test_folded_fields_are_unfolded() -> None:
    content = read("Subject: one\n two\n\tthree\nTo: x\n\n")
    assert content.fields[0].decode() == "one two three"


ALTERNATIVE = """Content-Type: multipart/alternative; boundary="b 1"

preamble
--b 1
Content-Type: text/plain

plain
--b 1
Content-Type: text/html

<p>html</p>
--b 1--
epilogue
"""


def test_both_alternatives_are_shown_without_preamble_and_epilogue() -> None:
    content = read(ALTERNATIVE)
    assert (content.text, content.html, content.attachments) == ("plain", "<p>html</p>", [])


def test_a_multipart_that_is_never_closed_is_read_to_its_end() -> None:
    content = read(ALTERNATIVE.replace("--b 1--\nepilogue\n", ""))
    assert (content.text, content.html) == ("plain", "<p>html</p>\n")


def test_a_delimiter_is_a_whole_line() -> None:
    content = read("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bc\nx --b\n--b-x\n--b--\n")
    assert content.text == "--bc\nx --b\n--b-x"


def test_a_boundary_that_starts_another_is_told_apart() -> None:
    inner = "--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\ninner\n--bb--\n--b\n\nouter\n--b--\n"
    assert read("Content-Type: multipart/mixed; boundary=b\n\n" + inner).text == "inner\nouter"


@pytest.mark.parametrize(
    "header",
    [
        "multipart/mixed",
        "multipart/mixed; boundary=",
        'multipart/mixed; boundary=""',
        "nonsense",
        "text/",
        "",
        "text/plain; charset=\x01",
    ],
)
def test_a_wrong_content_type_is_shown_as_text(header: str) -> None:
    assert read(f"Content-Type: {header}\n\nwords\n").text == "words\n"


def test_a_nested_message_is_an_attachment() -> None:
    content = read("Content-Type: message/rfc822\n\nSubject: inner\n\nx\n")
    assert content.text == ""
    assert [part.content_type.value for part in content.attachments] == ["message/rfc822"]


NAMED = "--b\nContent-Type: text/plain; name=notes.txt\n\nnotes\n"


def test_a_text_file_is_an_attachment_and_no_body() -> None:
    content = read(f"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nbody\n{NAMED}--b--\n")
    assert content.text == "body"
    assert content.attachments[0].filename == "notes.txt"


def test_a_text_file_is_shown_where_there_is_no_other_text() -> None:
    content = read(f"Content-Type: multipart/mixed; boundary=b\n\n{NAMED}{NAMED}--b--\n")
    assert content.text == "notes"
    assert len(content.attachments) == 2


def test_a_multipart_without_its_delimiters_is_shown_as_text() -> None:
    content = read("Content-Type: multipart/report; boundary=b\n\nwords\n--c\n")
    assert (content.text, content.attachments) == ("words\n--c\n", [])


def test_a_mailbox_separator_before_the_header_is_passed_over() -> None:
    content = read("From app@example.test Mon Jan  1 00:00:00 2024\nSubject: x\n\nbody\n")
    assert ([field.name for field in content.fields], content.text) == (["Subject"], "body\n")
