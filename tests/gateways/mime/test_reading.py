"""A whole mail as an email to send."""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from common.addresses import AddressError, parse_address
from common.errors import InvalidFieldsError
from delivery.mime.fields import Field
from gateways.mime.addresses import read_addresses
from gateways.mime.parts import LIMITS
from gateways.mime.reading import ReadMail, read_mail_request

HEAD = b"From: shop@mine.test\r\nTo: one@rcpt.test\r\nSubject: Hello\r\n"


def read(raw: bytes, *recipients: str) -> ReadMail:
    return read_mail_request(raw, [parse_address(text) for text in recipients or ("one@rcpt.test",)])


def multipart(kind: str, *parts: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return HEAD + f'Content-Type: multipart/{kind}; boundary="b"\r\n\r\n'.encode() + body + b"--b--\r\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@b.test", [("", "a@b.test")]),
        ("One <a@b.test>, c@d.test", [("One", "a@b.test"), ("", "c@d.test")]),
        ('"Doe, Jo" <a@b.test>', [("Doe, Jo", "a@b.test")]),
        ('"Say \\"hi\\"" <a@b.test>', [('Say "hi"', "a@b.test")]),
        ("Jo (of (the) shop, b@c.test) Doe <a@b.test>", [("Jo Doe", "a@b.test")]),
        ("=?utf-8?q?J=C3=B6?= <a@b.test>", [("Jö", "a@b.test")]),
        ("=?utf-8?q?Jo=2C_x=40y.test?= <a@b.test>", [("Jo, x@y.test", "a@b.test")]),
        ("Team: a@b.test, Two <c@d.test>;, e@f.test", [("", "a@b.test"), ("Two", "c@d.test"), ("", "e@f.test")]),
        ("undisclosed-recipients:;", []),
        (",, a@b.test,", [("", "a@b.test")]),
        ('"a..b"@b.test', [("", '"a..b"@b.test')]),
        ('Jo <"a>b"@b.test>', [("Jo", '"a>b"@b.test')]),
        ("One\r\n <a@b.test>", [("One", "a@b.test")]),
    ],
)
def test_addresses_are_read_as_people_write_them(value: str, expected: Sequence[tuple[str, str]]) -> None:
    found = read_addresses(Field("To", value.encode()))
    assert [(address.name, address.address) for address in found] == expected


@pytest.mark.parametrize(
    "value", ["a", '"a@b.test', "<a@b.test", "(a@b.test", "a@b.test>", "One a@b.test", "a@b@c.test"]
)
def test_what_is_no_list_of_addresses_is_refused(value: str) -> None:
    with pytest.raises(AddressError):
        read_addresses(Field("To", value.encode()))


def test_a_long_list_takes_no_more_than_its_length() -> None:
    for hostile in (b"(" * 100_000, b'"' * 99_999, b"<" * 100_000, b":" * 100_000, b"\\(" * 50_000):
        with suppress(AddressError):
            assert read_addresses(Field("To", hostile)) == []


def test_without_an_envelope_the_header_names_the_recipients() -> None:
    raw = HEAD + b"Cc: Two <two@rcpt.test>, one@rcpt.test\r\nBcc: three@rcpt.test\r\n\r\nHello\r\n"
    mail = read_mail_request(raw)
    assert mail.errors == []
    kinds = [[each.address for each in kind] for kind in (mail.draft.to, mail.draft.cc, mail.draft.bcc)]
    assert kinds == [["one@rcpt.test"], ["two@rcpt.test"], ["three@rcpt.test"]]
    assert mail.draft.header_recipients is None


def test_the_parts_become_bodies_and_files() -> None:
    raw = multipart(
        "mixed",
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe",
        b"Content-Type: text/html\r\n\r\n<p>Hi</p>",
        b"Content-Type: text/csv; charset=utf-16; name=a.csv\r\nContent-Disposition: attachment\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n//5hAA==",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nInner\r\n",
        b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR",
    )
    mail = read(raw)
    assert mail.errors == []
    assert (mail.draft.text, mail.draft.html) == ("Grüße", "<p>Hi</p>")
    assert [(each.filename, each.content_type, each.content) for each in mail.draft.attachments] == [
        ("a.csv", 'text/csv; charset="utf-16"', b"\xff\xfea\0"),
        ("attachment-2.eml", "message/rfc822", b"Subject: inner\r\n\r\nInner\r\n"),
        ("attachment-3.ics", 'text/calendar; method="REQUEST"', b"BEGIN:VCALENDAR\r\nEND:VCALENDAR"),
    ]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (multipart("signed", b"\r\nx"), "sealed_mail"),
        (HEAD + b"Content-Type: Multipart/Encrypted\r\n\r\nx", "sealed_mail"),
        (
            multipart("mixed", b'Content-Type: multipart/signed; boundary="c"\r\n\r\n--c\r\n\r\nx\r\n--c--'),
            "sealed_mail",
        ),
        (
            HEAD + b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA",
            "sealed_mail",
        ),
        (HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nx", "unknown_encoding"),
        (HEAD + b"\r\na\0b", "nul"),
        (HEAD + b"no header field\r\nX-Own: 1\r\n\r\nx", "invalid_header"),
        (HEAD + b"X-A: 1\r\n" * LIMITS.root.fields + b"\r\nx", "too_many_fields"),
        (multipart("mixed", *[b"\r\nx"] * (LIMITS.parts + 1)), "too_many_parts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_structure_that_cannot_be_sent_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        read(raw)
    assert [error.code for error in refused.value.errors] == [code]


@pytest.mark.parametrize(
    ("added", "field", "code"),
    [
        (b"From: two@mine.test\r\n", "from_", "duplicate_header"),
        (b"X-Own: 1\r\nx-own: 2\r\n", "headers.x-own", "duplicate_header"),
        (b"Cc: nobody\r\n", "cc", "invalid_address"),
        (b"X-Emailsvc-Nonsense: 1\r\n", "headers.X-Emailsvc-Nonsense", "unknown_field"),
        (b"X-Emailsvc-Idempotency-Key: \r\n", "idempotency_key", "idempotency_key_invalid"),
        (b"X-Emailsvc-Tags: a\r\nX-Emailsvc-Tags: b\r\n", "tags", "duplicate_header"),
        (b"X-Emailsvc-Metadata: [1]\r\n", "metadata", "invalid"),
        (b"Authentication-Results: x\r\nARC-Seal: i=1\r\nSender: x@y.test\r\nReceived: a\r\nReceived: b\r\n", "", ""),
    ],
)
def test_each_wrong_field_is_named(added: bytes, field: str, code: str) -> None:
    errors = read(HEAD + added + b"\r\nHello\r\n").errors
    assert [(error.field, error.code) for error in errors] == ([(field, code)] if field else [])


def test_a_sender_must_be_one() -> None:
    mail = read(HEAD.replace(b"shop@", b"a@mine.test, shop@") + b"\r\nHello\r\n")
    assert [(error.field, error.code) for error in mail.errors] == [("from_", "several_addresses")]


def test_no_bare_line_end_outlives_the_reading() -> None:
    raw = (
        HEAD
        + b"X-Own: =?utf-8?q?a=0D=0ABcc:_victim=40x.test?=\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ1iCmM=\r\n"
    )
    mail = read(raw)
    assert mail.draft.headers == [("X-Own", "a Bcc: victim@x.test")]
    assert mail.draft.text == "a\nb\nc"
