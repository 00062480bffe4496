"""Lenient parsing of mail: the correct and incorrect output of real senders."""

import pytest

from inbox.mime import MailContent, read_content


def read(text: str | bytes) -> MailContent:
    raw = text.encode() if isinstance(text, str) else text
    return read_content(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


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


def test_a_boundary_that_is_a_prefix_of_another_is_distinguished() -> None:
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
