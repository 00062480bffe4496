"""Whole messages: their structure, their reading by two parsers, and forbidden content."""

import json
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import unquote
from typing import Any

import mailparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.line_ends import has_only_pairs
from delivery.mime.message import (
    Attachment,
    AttachmentTypeError,
    BodyError,
    HeaderError,
    Mailbox,
    MessageContent,
    build,
    prepare_message,
)
from tests.needs import NOT_SHARED, SHARED

FEW_NAUGHTY = ["", "../../etc/passwd", "Ω≈ç√∫˜µ≤≥÷", "田中さん.pdf", "👩🏽‍💻.png", 'a;b="c".txt', "%00.pdf", "x'y''z"]
NAUGHTY = json.loads((SHARED / "corpora/blns.json").read_text("utf-8")) if SHARED else FEW_NAUGHTY
NAUGHTY_NAMES = [name for name in NAUGHTY if name.strip() == name and name.isprintable() and name]
NOW = datetime(2025, 11, 22, 17, 36, 11, tzinfo=UTC)
PDF = Attachment(filename="bill.pdf", content_type="application/pdf", content=bytes(range(256)) * 40)
LOGO = Attachment(filename="logo.png", content_type="image/png", content=b"\x89PNG", content_id="logo@acme")


def content(**changes: Any) -> MessageContent:
    return MessageContent(
        **{
            "from_": Mailbox(name="Acme, Inc.", address="billing@acme.test"),
            "to": [Mailbox(name="Jürgen Groß", address="j@x.test")],
            "subject": "Your receipt",
            "date": NOW,
            "message_id": "019aabcd-0000-7000-8000-000000000001@acme.test",
            "html": "<p>Hello</p>",
            "text": "Hello",
        }
        | changes
    )


def parsed(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
    return message


def shape(message: EmailMessage) -> Any:
    if message.is_multipart():
        return [message.get_content_subtype(), *[shape(part) for part in message.iter_parts()]]
    return message.get_content_type()


def text_of(message: EmailMessage, subtype: str) -> str:
    (part,) = [part for part in message.walk() if part.get_content_type() == f"text/{subtype}"]
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"html": None}, "text/plain"),
        ({"text": None}, ["alternative", "text/plain", "text/html"]),
        ({}, ["alternative", "text/plain", "text/html"]),
        ({"html": None, "attachments": [PDF]}, ["mixed", "text/plain", "application/pdf"]),
        ({"attachments": [PDF]}, ["mixed", ["alternative", "text/plain", "text/html"], "application/pdf"]),
        (
            {"html": "<img src='cid:logo@acme'>", "attachments": [LOGO]},
            ["alternative", "text/plain", ["related", "text/html", "image/png"]],
        ),
        (
            {"html": "<img src='cid:logo%40acme'>", "attachments": [PDF, LOGO, PDF]},
            [
                "mixed",
                ["alternative", "text/plain", ["related", "text/html", "image/png"]],
                "application/pdf",
                "application/pdf",
            ],
        ),
        (
            {"html": "<img src='cid:logo@acme'>", "text": None, "attachments": [LOGO]},
            ["alternative", "text/plain", ["related", "text/html", "image/png"]],
        ),
        ({"attachments": [LOGO]}, ["mixed", ["alternative", "text/plain", "text/html"], "image/png"]),
    ],
)
def test_the_structure_follows_from_what_is_there(changes: dict[str, Any], expected: Any) -> None:
    assert shape(parsed(build(content(**changes)))) == expected


def test_two_parsers_read_what_was_given() -> None:
    cc = [Mailbox(address="c@x.test")]
    data = build(
        content(
            subject="Quittung für Jürgen – 5 €",
            cc=cc,
            reply_to=[Mailbox(name="Help", address="help@acme.test")],
            html="<p>Grüße</p>\n.\n<img src=cid:logo@acme>",
            text="Grüße\n.\n" + "lang " * 3000,
            headers=[("X-Order", "42"), ("References", "<a@b.test> <c@d.test>")],
            attachments=[PDF, LOGO],
        )
    )
    message = parsed(data)
    assert message["From"] == '"Acme, Inc." <billing@acme.test>'
    assert message["To"].addresses[0].display_name == "Jürgen Groß"
    assert message["Cc"] == "c@x.test"
    assert message["Reply-To"] == "Help <help@acme.test>"
    assert message["Subject"] == "Quittung für Jürgen – 5 €"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == "<019aabcd-0000-7000-8000-000000000001@acme.test>"
    assert message["MIME-Version"] == "1.0"
    assert message["X-Order"] == "42"
    pdf, logo = [part for part in message.walk() if part.get_content_maintype() in {"application", "image"}][::-1]
    assert (pdf.get_filename(), pdf.get_payload(decode=True)) == ("bill.pdf", PDF.content)
    assert pdf.get_content_disposition() == "attachment"
    assert (logo.get_content_disposition(), logo["Content-ID"]) == ("inline", "<logo@acme>")

    other = mailparser.parse_from_bytes(data)
    assert other.subject == "Quittung für Jürgen – 5 €"
    assert other.from_ == [("Acme, Inc.", "billing@acme.test")]
    assert other.to == [("Jürgen Groß", "j@x.test")]
    assert other.text_plain == ["Grüße\r\n.\r\n" + "lang " * 3000]
    assert other.text_html == ["<p>Grüße</p>\r\n.\r\n<img src=cid:logo@acme>"]
    assert {part["filename"] for part in other.attachments} == {"bill.pdf", "logo.png"}
    assert not other.defects


@given(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=200),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=200),
    st.binary(max_size=200),
)
def test_any_bodies_and_attachment_arrive_identical(text: str, html: str, data: bytes) -> None:
    attachment = Attachment(filename="a.bin", content_type="application/octet-stream", content=data)
    built = build(content(text=text, html=html, attachments=[attachment]))
    assert has_only_pairs(built)  # composing says so to those who sign and send it
    message = parsed(built)
    expected = [value.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n") for value in (text, html)]
    assert [text_of(message, "plain"), text_of(message, "html")] == expected
    (part,) = message.iter_attachments()
    assert part.get_payload(decode=True) == data


def filenames(filename: str) -> tuple[str | None, str]:
    attachment = Attachment(filename=filename, content_type="application/pdf", content=b"x")
    data = build(content(attachments=[attachment]))
    assert max(map(len, data.split(b"\r\n"))) <= 998
    (part,) = parsed(data).iter_attachments()
    assert not part["Content-Disposition"].defects
    assert not part["Content-Type"].defects
    (other,) = mailparser.parse_from_bytes(data).attachments
    return part.get_filename(), other["filename"]


@pytest.mark.parametrize(
    "filename",
    ["bill.pdf", "two words.pdf", "Grüße.pdf", "€" * 80 + ".pdf", "請求書.pdf", 'a"b\\c.pdf', "x" * 251 + ".pdf", 
     "a;b=c.pdf", "<a>.pdf", "it's 100%.pdf", "x'y''z.pdf", "ü" * 400],
)  # fmt: skip
def test_a_file_name_arrives_at_both_parsers(filename: str) -> None:
    assert filenames(filename) == (filename, filename)


@pytest.mark.parametrize("names", [NAUGHTY_NAMES, *NOT_SHARED])
def test_naughty_file_names_arrive(names: list[str]) -> None:
    for name in names:
        # Python's parser takes off quotes even if they are encoded.
        assert filenames(name)[0] == unquote(name).strip()


def test_an_old_reader_finds_a_likeness_of_the_file_name() -> None:
    attachment = Attachment(filename="Grüße für €.pdf", content_type="application/pdf; name=other", content=b"x")
    data = build(content(attachments=[attachment]))
    assert b'Content-Type: application/pdf; name="Grusse fur _.pdf"\r\n' in data
    assert b"filename*=utf-8''Gr%C3%BC%C3%9Fe%20f%C3%BCr%20%E2%82%AC.pdf\r\n" in data


def test_parameters_of_a_type_are_kept() -> None:
    kind = 'text/calendar; method=REQUEST; charset="utf-8"'
    data = build(content(attachments=[Attachment(filename="i.ics", content_type=kind, content=b"x")]))
    (part,) = parsed(data).iter_attachments()
    assert part.get_content_type() == "text/calendar"
    assert dict(part["Content-Type"].params) == {"method": "REQUEST", "charset": "utf-8", "name": "i.ics"}


@pytest.mark.parametrize(
    "kind",
    ["multipart/mixed", "Multipart/Related; boundary=x", "message/global", "MESSAGE/partial",
     "text/plain; charset=utf-8; Charset=latin1", "text/plain; charset*=utf-8''x; charset=x", "", "pdf", "a/b/c",
     "a/b; c", "application/pdf\r\nBcc: x@y.test", "a/ü", "a/b; c=\"x\ny\"", "a/b;" + " c=d;" * 100, "(x)a/b", "a /b"],
)  # fmt: skip
def test_a_type_that_must_not_be_attached_is_refused(kind: str) -> None:
    with pytest.raises((AttachmentTypeError, HeaderError)):
        build(content(attachments=[Attachment(filename="x", content_type=kind, content=b"")]))


ICS = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Grüße\r\nEND:VCALENDAR\r\n"


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=iso-8859-1"])
@pytest.mark.parametrize("html", [None, "<p>Hello</p>"])
def test_an_invitation_is_the_last_alternative_and_a_file(html: str | None, charset: str) -> None:
    data = ICS.encode(charset.partition("=")[2] or "utf-8")
    invitation = Attachment(filename="i.ics", content_type=f"text/calendar; method=REQUEST{charset}", content=data)
    message = parsed(build(content(html=html, attachments=[PDF, invitation])))
    bodies = ["text/plain", *(["text/html"] if html else []), "text/calendar"]
    assert shape(message) == ["mixed", ["alternative", *bodies], "application/pdf", "text/calendar"]
    shown = list(next(message.iter_parts()).iter_parts())[-1]
    assert dict(shown["Content-Type"].params) == {"method": "REQUEST", "charset": "utf-8"}
    assert shown.get_content_disposition() is None
    assert shown.get_payload(decode=True).decode() == ICS
    (_, attached) = message.iter_attachments()
    assert attached.get_payload(decode=True) == data


def test_a_calendar_without_a_method_or_in_no_charset_is_only_a_file() -> None:
    for kind, data in (("text/calendar", b"x"), ("text/calendar; method=REQUEST", b"\xff")):
        attachment = Attachment(filename="i.ics", content_type=kind, content=data)
        expected = ["mixed", ["alternative", "text/plain", "text/html"], "text/calendar"]
        assert shape(parsed(build(content(attachments=[attachment])))) == expected


@pytest.mark.parametrize(
    ("kind", "data", "charset"),
    [
        ("text/csv", b"a,b", "utf-8"),
        ("Text/CSV; header=present", "ü".encode(), "utf-8"),
        ("text/csv", b"\xfc", None),
        ("text/csv; charset=iso-8859-1", b"\xfc", "iso-8859-1"),
        ("application/json", "ü".encode(), None),
    ],
)
def test_a_text_file_says_its_charset_where_it_is_sure(kind: str, data: bytes, charset: str | None) -> None:
    attachment = Attachment(filename="a", content_type=kind, content=data)
    (part,) = parsed(build(content(attachments=[attachment]))).iter_attachments()
    assert (part.get_content_charset(), part.get_payload(decode=True)) == (charset, data)


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize(("body", "encoding"), [("hi", "7bit"), ("grüß", "8bit")])
def test_an_attached_mail_is_never_encoded(body: str, encoding: str, ending: str) -> None:
    mail = ending.join(["From: a@b.test", "Subject: x", "", body, "--=_m", ""])
    attachment = Attachment(filename="x.eml", content_type="message/rfc822", content=mail.encode())
    data = build(content(attachments=[PDF, attachment]))
    message = parsed(data)
    (_, part) = message.iter_attachments()
    assert (part["Content-Transfer-Encoding"], part.get_filename()) == (encoding, "x.eml")
    assert message["Content-Transfer-Encoding"] == (None if encoding == "7bit" else "8bit")
    assert mail.replace(ending, "\r\n").encode() in data
    assert data.isascii() == (encoding == "7bit")
    assert has_only_pairs(data)


@pytest.mark.parametrize("mail", [b"a\0", b"x" * 999])
def test_an_attached_mail_that_no_server_takes_is_refused(mail: bytes) -> None:
    with pytest.raises(AttachmentTypeError):
        build(content(attachments=[Attachment(filename="x.eml", content_type="message/rfc822", content=mail)]))


def test_an_empty_file_arrives() -> None:
    (part,) = parsed(
        build(content(attachments=[Attachment(filename="none.csv", content_type="text/csv", content=b"")]))
    ).iter_attachments()
    assert (part.get_filename(), part.get_payload(decode=True)) == ("none.csv", b"")


@pytest.mark.parametrize("tail", ["me", "x" * 66, "x" * 80, "From " * 40, "=" * 200, "ü" * 90])
def test_no_line_of_a_body_begins_like_a_mailbox_files(tail: str) -> None:
    text = f"From {tail}\nFrom\n>From here\nFrom {tail}"
    data = build(content(html=f"\n{text}", text=text))
    assert b"\nFrom " not in data
    assert max(map(len, data.split(b"\r\n"))) <= 76
    assert text_of(parsed(data), "plain") == text.replace("\n", "\r\n")
    assert text_of(parsed(data), "html") == f"\n{text}".replace("\n", "\r\n")


def test_headers_keep_their_order() -> None:
    names = ["X-B", "List-Id", "X-A", "References", "Auto-Submitted"]
    values = ["1", "Käse <k.test>", "2", "<1@a.test>", "auto-generated"]
    message = parsed(build(content(headers=list(zip(names, values, strict=True)))))
    assert [name for name in message if name in names] == names


@pytest.mark.parametrize("identifier", ["a b", "a\r\nBcc: x@y.test", "<a", "ü", "a>b", "x" * 251])
def test_a_content_id_that_cannot_be_written_is_refused(identifier: str) -> None:
    image = Attachment(filename="x.png", content_type="image/png", content=b"", content_id=identifier)
    with pytest.raises(HeaderError):
        build(content(attachments=[image]))


def test_a_content_id_in_brackets_is_written_once_so() -> None:
    image = Attachment(filename="x.png", content_type="image/png", content=b"", content_id="<logo>")
    data = build(content(html="<img src='cid:logo'>", attachments=[image]))
    assert b"Content-ID: <logo>\r\n" in data
    assert b"inline" in data


@pytest.mark.parametrize(
    "name",
    ["Bcc", "bcc", "From", "TO", "Cc", "Subject", "Date", "Message-Id", "MIME-Version", "Content-Type",
     "content-anything", "Return-Path", "Received", "DKIM-Signature",
     "Resent-Bcc", "Sender", "Reply-To", "X: a\r\nBcc", "X Y", ""],
)  # fmt: skip
def test_a_header_that_is_ours_or_no_name_is_refused(name: str) -> None:
    with pytest.raises(HeaderError):
        build(content(headers=[(name, "x@y.test")]))
    with pytest.raises(HeaderError):
        build(content(), [(name, "x@y.test")])


@pytest.mark.parametrize("field", ["from_", "to", "cc", "reply_to", "subject", "message_id", "headers", "filename"])
@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\0", "\v", "\f", "\x85", "\u2028"])
def test_nothing_can_inject_a_header(field: str, break_: str) -> None:
    evil = f"a{break_}Bcc: victim@x.test"
    changes: dict[str, Any] = {
        "from_": {"from_": Mailbox(name=evil, address="a@b.test")},
        "to": {"to": [Mailbox(address=f"a@b.test{break_}Bcc:victim@x.test")]},
        "cc": {"cc": [Mailbox(name=evil, address="a@b.test")]},
        "reply_to": {"reply_to": [Mailbox(name=evil, address="a@b.test")]},
        "subject": {"subject": evil},
        "message_id": {"message_id": f"a@b.test{break_}"},
        "headers": {"headers": [("X-A", evil)]},
        "filename": {"attachments": [Attachment(filename=evil, content_type="a/b", content=b"")]},
    }[field]
    with pytest.raises(HeaderError):
        build(content(**changes))


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert build(content(attachments=[PDF, LOGO])) == build(content(attachments=[PDF, LOGO]))
    assert build(content(attachments=[PDF])) != build(content(attachments=[PDF], message_id="other@acme.test"))


def test_a_body_that_imitates_the_boundary_breaks_nothing() -> None:
    plain = build(content())
    boundary = parsed(plain).get_boundary()
    text = f"before\r\n--{boundary}\r\nContent-Type: text/html\r\n\r\nevil\r\n--{boundary}--\r\nafter"
    message = parsed(build(content(text=text)))
    assert shape(message) == ["alternative", "text/plain", "text/html"]
    assert text_of(message, "plain") == text


def test_each_recipient_gets_own_headers_and_bodies_from_one_preparation() -> None:
    prepared = prepare_message(content(html="<a href=x>", attachments=[PDF]))
    unsubscribe = "<https://t.acme.test/u/" + "t" * 86 + ">, <mailto:u@acme.test>"
    headers = [("List-Unsubscribe", unsubscribe), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]
    message = parsed(prepared.render(headers, html="<a href=ü>", text="other"))
    assert message["List-Unsubscribe"] == unsubscribe
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert text_of(message, "html") == "<a href=ü>"
    assert text_of(message, "plain") == "other"
    assert prepared.render() == build(content(html="<a href=x>", attachments=[PDF]))


def test_html_alone_gets_a_text_made_from_it() -> None:
    html = "<style>p{}</style><h1>Hi</h1><p>See <a href='https://x.test/a?b=1&amp;c=2'>this</a>.</p>"
    message = parsed(build(content(text=None, html=html)))
    assert text_of(message, "plain") == "Hi\r\n\r\nSee this (https://x.test/a?b=1&c=2)."
    assert text_of(message, "html") == html


def test_blind_copies_alone_still_give_a_to_header() -> None:
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in build(content(to=[]))
    assert b"\r\nTo:" not in build(content(to=[], cc=[Mailbox(address="c@x.test")]))


def test_a_message_without_any_body_is_refused() -> None:
    with pytest.raises(ValueError, match="html or text"):
        build(content(html=None, text=None))
    with pytest.raises(BodyError):
        build(content(text="\ud800"))


def test_all_is_seven_bit_with_crlf_and_lines_of_998() -> None:
    data = build(
        content(
            subject="ü" * 998,
            to=[Mailbox(name="é" * 100, address=f"u{n}@x.test") for n in range(50)],
            html="é\n" * 100 + "y" * 10_000,
            text="\r" * 10 + "\n\r\x0b",
            attachments=[PDF],
        )
    )
    data.decode("ascii")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= 998
