"""A body arrives identical after decoding, whatever its content, and relays have no reason to change it."""

from base64 import encodebytes
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from delivery.mime.bodies import (
    BASE64_BLOCK,
    BodyError,
    base64_lines,
    canonical_bytes,
    encode_text,
    has_fragile_lines,
    text_entity,
)

bodies = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from(" \t\r\n.=\x00é€"), max_size=400)


def canonical(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def decoded(entity: bytes) -> str:
    payload = message_from_bytes(b"MIME-Version: 1.0\r\n" + entity, policy=policy.SMTP).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8")


def assert_carried_safely(entity: bytes) -> None:
    entity.decode("ascii")
    assert b"\0" not in entity
    assert b"\n" not in entity.replace(b"\r\n", b"")
    assert b"\r" not in entity.replace(b"\r\n", b"")
    assert b"7bit" in entity or max(map(len, entity.split(b"\r\n"))) <= 76
    assert max(map(len, entity.split(b"\r\n"))) <= 998


ODD = [
    "", "\n", "\r", "no line end", "one\n", "two\n\n", "\n\n\n", ".", ".\n", "..\n.\n", "\r\n.\r\n", "\r.\r", "\n.\n",
    "a \nb\t\n", "trailing ", "trailing\t", "-- \nsignature", "x" * 10_000, "é" * 10_000, 
    ("x" * 998 + "\n") * 3, "x" * 999 + "\n",
    "a\x00b", "\x0b\x0c\x85\u2028", "\ufeffb", "From here\n", "--=_a\n", "=20\n", "==", "=" * 300, "\x1a", "a\r\r\nb",
    " " * 200 + "\n", ("y" * 73 + " \n") * 2, ("y" * 74 + " \n") * 2, ("y" * 75 + "\t\n") * 2, ("é" * 12 + "x  \n") * 9,
    "日本語" * 500, "👩🏽‍💻" * 100, "a" * 997 + "\n" + "b" * 998 + "\n" + "c" * 998,
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("is_closing", [True, False])
def test_odd_bodies_arrive_identical(text: str, *, is_closing: bool) -> None:
    entity = text_entity("plain", text, is_closing=is_closing)
    assert_carried_safely(entity)
    assert decoded(entity) == canonical(text)


@given(bodies, st.booleans())
@example("a" * 75 + " ", True)
@example("é" + "a" * 70 + " \n" * 3, False)
def test_any_body_arrives_identical(text: str, is_closing: bool) -> None:
    entity = text_entity("html", text, is_closing=is_closing)
    assert_carried_safely(entity)
    assert decoded(entity) == canonical(text)


@given(bodies)
def test_a_closing_body_ends_with_a_line_end_or_is_empty(text: str) -> None:
    _, body = encode_text(text, is_closing=True)
    assert body == b"" or body.endswith(b"\r\n")


def test_plain_ascii_in_short_lines_stays_readable() -> None:
    assert encode_text("Hello\nworld\n", is_closing=True) == (b"7bit", b"Hello\r\nworld\r\n")
    assert encode_text("Hello\nworld", is_closing=False) == (b"7bit", b"Hello\r\nworld")


def test_the_shorter_encoding_is_taken() -> None:
    assert encode_text("Viele Grüße aus Köln, auch von den anderen\n", is_closing=True)[0] == b"quoted-printable"
    assert encode_text("日本語のテキスト\n", is_closing=True)[0] == b"base64"


def test_a_line_longer_than_smtp_allows_is_not_sent_as_it_is() -> None:
    assert encode_text("x" * 998 + "\n", is_closing=True)[0] == b"7bit"
    assert encode_text("x" * 999 + "\n", is_closing=True)[0] == b"quoted-printable"
    assert encode_text("short\n" * 500 + "x" * 999 + "\nshort\n", is_closing=True)[0] == b"quoted-printable"
    assert encode_text(("x" * 500 + "\n") * 500, is_closing=True)[0] == b"7bit"


def find_fragile(data: bytes) -> bool:
    """What `has_fragile_lines` looks for, line by line."""
    return b"--=_" in data or any(
        len(line) > 998 or line.endswith((b" ", b"\t")) or line.startswith(b"From") for line in data.split(b"\r\n")
    )


@given(st.lists(st.sampled_from(["\n", " ", "\t", "From", "F", "--=_", "-", "a", "=_", "x" * 990])).map("".join))
@example("From")
@example("a\nFrom")
@example("a \t")
@example(" \n")
@example("a\t\nb")
def test_fragile_lines_are_found_wherever_they_are(text: str) -> None:
    data = canonical_bytes(text)
    assert has_fragile_lines(data) == find_fragile(data)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(BodyError):
        text_entity("plain", "a\ud800b", is_closing=True)


@pytest.mark.parametrize("size", [0, 1, 57, 58, BASE64_BLOCK, BASE64_BLOCK + 1])
def test_base64_has_lines_of_76_characters_across_its_blocks(size):
    data = bytes(range(256)) * (size // 256 + 1)
    lines = base64_lines(data[:size])
    assert lines == encodebytes(data[:size]).replace(b"\n", b"\r\n")
    assert base64_lines(data[:size], is_closing=False) == lines.removesuffix(b"\r\n")
