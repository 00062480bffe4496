"""Taking a mail apart: the same parts by CRLF and LF, within limits, never an error."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.mime.fields import HeadLimits
from delivery.mime.reader import MailTree, ReadLimits, read_mail
from tests.effort import assert_linear

HEAD = HeadLimits(fields=100)
LIMITS = ReadLimits(depth=3, parts=5, root=HEAD, part=HEAD)
OPENING = ReadLimits(depth=3, parts=5, root=HEAD, part=HEAD, opens_messages=True)

MIXED = b"""Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=bb

--bb

one
--bb
Content-Type: text/html

two
--bb--
--b
Content-Type: image/png; name="/x/logo.png"
Content-ID: <logo@x>
Content-Transfer-Encoding: base64

QUJD
--b--
"""


def texts(tree: MailTree) -> list[str]:
    return [part.decode_text().rstrip("\n") for part in tree.list_leaves()]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_parts_are_found_by_either_line_end(line_end: bytes) -> None:
    tree = read_mail(MIXED.replace(b"\n", line_end), LIMITS)
    assert texts(tree) == ["one", "two", "ABC"]
    image = tree.root.children[1]
    assert (image.media_type, image.filename, image.content_id) == ("image/png", "logo.png", "logo@x")
    assert (tree.is_too_deep, tree.has_more_parts) == (False, False)


def test_an_enclosed_mail_is_opened_only_where_that_is_wanted() -> None:
    inner = b"Subject: inner\n\nwords"
    plain = b"Content-Type: message/rfc822\n\n\n" + inner
    packed = b"Content-Type: message/global\nContent-Transfer-Encoding: base64\n\n" + base64.b64encode(inner)
    for raw in (plain, packed):
        (mail,) = read_mail(raw, OPENING).root.children
        assert (mail.fields[0].decode(), mail.decode_text()) == ("inner", "words")
        assert read_mail(raw, LIMITS).root.children == []


def nest(depth: int) -> bytes:
    heads = (b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(depth))
    return b"".join(heads) + b"\nbottom"


def test_what_lies_too_deep_stays_whole() -> None:
    assert texts(read_mail(nest(3), LIMITS)) == ["bottom"]
    tree = read_mail(nest(4), LIMITS)
    assert tree.is_too_deep
    (whole,) = tree.list_leaves()
    assert (whole.media_type, whole.decode().endswith(b"bottom")) == ("multipart/mixed", True)


def test_more_parts_than_the_limit_are_not_looked_for() -> None:
    tree = read_mail(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 9, LIMITS)
    assert tree.has_more_parts
    assert texts(tree) == ["x"] * 5


def test_a_multipart_without_parts_is_a_text() -> None:
    (part,) = read_mail(b"Content-Type: multipart/mixed; boundary=b\n\nwords", LIMITS).list_leaves()
    assert (part.media_type, part.decode_text()) == ("text/plain", "words")


def test_a_part_is_decoded_as_far_as_is_wanted() -> None:
    (part,) = read_mail(b"\n" + b"x" * 100, LIMITS).list_leaves()
    assert (len(part.decode(10)), len(part.decode())) == (10, 100)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "nested": nest,
    "nested with one boundary": lambda size: b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * size,
    "enclosed": lambda size: b"Content-Type: message/rfc822\n\n" * size,
    "parts": lambda size: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * size,
    "half delimiters": lambda size: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"\n--bx" * size,
    "parameters": lambda size: b"Content-Type: multipart/mixed" + b"; a= boundary" * size + b"\n\nx",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_is_linear(name: str) -> None:
    many = ReadLimits(depth=20, parts=10**9, root=HEAD, part=HEAD, opens_messages=True)
    assert_linear(lambda size: list(read_mail(HOSTILE[name](size), many).list_leaves()), 4_000)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(MIXED)), st.integers(0, 40), st.binary(max_size=20))
def test_any_bytes_are_a_mail(start: int, length: int, inserted: bytes) -> None:
    damaged = MIXED[:start] + inserted + MIXED[start + length :]
    for raw in (inserted, damaged):
        assert len(texts(read_mail(raw, OPENING))) >= 1
