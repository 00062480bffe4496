"""The value of a header field arrives unchanged, and cannot start another field."""

import json
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from delivery.mime.headers import HeaderError, Mailbox, date, mailboxes, parameter, unstructured
from tests.needs import NOT_SHARED, SHARED

FEW_NAUGHTY = ["", "undefined", "1;DROP TABLE users", "Ω≈ç√∫˜µ≤≥÷", "田中さんにあげて下さい", "👩🏽‍💻", "مُنَاقَشَةُ", "Z̮̞̠͙͔ͅḀ̗̞͈̻̗"]
NAUGHTY = json.loads((SHARED / "corpora/blns.json").read_text("utf-8")) if SHARED else FEW_NAUGHTY
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]

safe_text = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300)


def read_back(field: bytes) -> str:
    """The value as Python's parser for current mail sees it."""
    message = message_from_bytes(field + b"\r\n", policy=policy.SMTP)
    assert len(message.items()) == 1
    return str(message.items()[0][1])


def read_back_legacy(field: bytes) -> str:
    """The value as the older, independent decoder of the standard library sees it."""
    (value,) = message_from_bytes(field + b"\r\n").values()
    return str(make_header(decode_header(value.replace("\r\n", ""))))


def read_mailboxes(field: bytes) -> list[tuple[str, str]]:
    """Names and addresses. (Python 3.11's newer parser sets a space between two encoded words of a name.)"""
    (value,) = message_from_bytes(field + b"\r\n").values()
    found = getaddresses([value.replace("\r\n", "")])
    current = message_from_bytes(field + b"\r\n", policy=policy.SMTP)
    (header,) = current.values()
    assert [address.addr_spec for address in header.addresses] == [address for _, address in found]
    return [(str(make_header(decode_header(name))), address) for name, address in found]


def assert_well_formed(field: bytes) -> None:
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    for line in lines:
        assert b"\n" not in line
        assert b"\r" not in line
        assert line.strip()
        assert len(line) <= 998
        assert len(line) <= 76 or b"=?" not in line
    assert all(line.startswith(b" ") for line in lines[1:])
    field.decode("ascii")


@given(safe_text)
@example("=?utf-8?q?not_encoded?=")
@example(" leading and trailing ")
@example("many     spaces      inside")
@example("x" * 998)
@example("ü" * 998)
@example("👩🏽‍💻" * 40)
@example("a " * 200)
@example(" ")
@example("")
def test_any_subject_arrives_to_the_letter(subject: str) -> None:
    field = unstructured("Subject", subject)
    assert_well_formed(field)
    assert read_back_legacy(field) == subject
    if not subject.isascii() or "=?" not in subject:
        assert read_back(field).strip(" ") == subject.strip(" ")


@pytest.mark.parametrize("strings", [NAUGHTY, *NOT_SHARED])
def test_naughty_strings_arrive_in_subject_and_name_or_are_refused_for_their_controls(strings: list[str]) -> None:
    for naughty in strings:
        if set(naughty) & set(CONTROLS):
            with pytest.raises(HeaderError):
                unstructured("Subject", naughty)
            continue
        assert read_back_legacy(unstructured("Subject", naughty)) == naughty
        field = mailboxes("To", [Mailbox(name=naughty, address="a@b.test")])
        assert_well_formed(field)
        assert read_mailboxes(field) == [(naughty, "a@b.test")]


@given(safe_text, safe_text)
@example('Jane "JD" Doe', "back\\slash")
@example("Doe, Jane", "a@b.test <evil@x.test>")
@example("x" * 200, "=?utf-8?q?x?=")
@example("Group: a", "(comment)")
def test_any_display_names_arrive_with_their_addresses(first: str, second: str) -> None:
    field = mailboxes("Reply-To", [Mailbox(name=first, address="a@b.test"), Mailbox(name=second, address="c+d@e.test")])
    assert_well_formed(field)
    assert read_mailboxes(field) == [(first, "a@b.test"), (second, "c+d@e.test")]


def test_fifty_mailboxes_are_folded() -> None:
    members = [Mailbox(name=f"Jürgen Number {n}", address=f"user{n}@example.test") for n in range(50)]
    field = mailboxes("To", members)
    assert_well_formed(field)
    assert max(map(len, field.split(b"\r\n"))) <= 76
    assert read_mailboxes(field) == [(member.name, member.address) for member in members]


def test_a_plain_name_stays_readable() -> None:
    assert mailboxes("From", [Mailbox(name="Jane Doe", address="j@d.test")]) == b"From: Jane Doe <j@d.test>\r\n"
    assert mailboxes("From", [Mailbox(name="Acme, Inc.", address="j@d.test")]) == b'From: "Acme, Inc." <j@d.test>\r\n'
    assert mailboxes("From", [Mailbox(address="j@d.test")]) == b"From: j@d.test\r\n"


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_character_is_refused_everywhere(control: str) -> None:
    bad = f"a{control}b"
    with pytest.raises(HeaderError):
        unstructured("Subject", bad)
    with pytest.raises(HeaderError):
        unstructured(f"X{control}Y", "value")
    with pytest.raises(HeaderError):
        mailboxes("To", [Mailbox(name=bad, address="a@b.test")])
    with pytest.raises(HeaderError):
        mailboxes("To", [Mailbox(address=f"a{control}@b.test")])
    with pytest.raises(HeaderError):
        parameter("Content-Disposition", "filename", bad)


@pytest.mark.parametrize("surrogate", ["\ud800", "a\udfffb"])
def test_half_a_surrogate_pair_is_refused(surrogate: str) -> None:
    with pytest.raises(HeaderError):
        unstructured("Subject", surrogate)


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X: a\r\nBcc", "Xü", "X\n", "\nX", "X\t", "(X)", "X" * 129])
def test_an_invalid_header_name_is_rejected(name: str) -> None:
    with pytest.raises(HeaderError):
        unstructured(name, "value")
    assert unstructured("X-Custom_1", "value") == b"X-Custom_1: value\r\n"


@pytest.mark.parametrize(
    "address",
    ["", "a", "@b.test", "a@", "a b@c.test", "a@b.test, c@d.test", "<a@b.test>", "ü@b.test", "a@ü.test", "a@b.test\n"],
)  # fmt: skip
def test_a_non_ascii_address_is_rejected(address: str) -> None:
    with pytest.raises(HeaderError):
        mailboxes("To", [Mailbox(address=address)])


def test_an_address_that_looks_encoded_is_quoted() -> None:
    local = "=?utf-8?q?a=40evil.test=3E?="
    assert mailboxes("To", [Mailbox(address=f"{local}@b.test")]) == f'To: "{local}"@b.test\r\n'.encode()


def test_an_error_does_not_repeat_the_value() -> None:
    with pytest.raises(HeaderError) as caught:
        unstructured("Subject", "secret\r\ncode")
    assert caught.value.header == "Subject"
    assert "secret" not in str(caught.value)


def test_the_date_is_in_utc_and_needs_an_offset() -> None:
    moment = datetime(2025, 11, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5)))
    assert date("Date", moment) == b"Date: Sat, 01 Nov 2025 22:04:05 +0000\r\n"
    with pytest.raises(HeaderError):
        date("Date", datetime(2025, 11, 2, tzinfo=UTC).replace(tzinfo=None))


def test_an_encoded_word_never_splits_a_character() -> None:
    field = unstructured("Subject", "abc" + "€" * 100 + "👩" * 50)
    for word in field.split(b":", 1)[1].split():
        ((data, charset),) = decode_header(word.decode("ascii"))
        assert isinstance(data, bytes)
        data.decode(charset or "ascii")
        assert len(word) <= 75
