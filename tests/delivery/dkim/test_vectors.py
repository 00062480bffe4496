"""The examples of RFC 6376 and RFC 8463, to the byte."""

import re
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from delivery.dkim.canonical import canonical_body, canonical_field, canonicalize, normalize_line_ends, select_fields
from delivery.dkim.signing import public_record

# RFC 8463, appendix A.3; the message is signed by its two keys, brisbane (A.2) and test
MESSAGE = b"""\
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
BODY_HASH = b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
BRISBANE = b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
BRISBANE_FIELD = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=""".replace(b"\n", b"\r\n")
BRISBANE_SIGNATURE = b"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="


def test_rfc_8463_body_hash() -> None:
    assert canonicalize(MESSAGE).body_hash == BODY_HASH


def test_rfc_8463_ed25519_signature() -> None:
    fields = dict(canonical_field(line) for line in MESSAGE.partition(b"\r\n\r\n")[0].split(b"\r\n"))
    data = b"".join(fields[name] + b"\r\n" for name in (b"from", b"to", b"subject", b"date", b"message-id"))
    data += canonical_field(BRISBANE_FIELD)[1]
    key = Ed25519PrivateKey.from_private_bytes(BRISBANE)
    assert b64encode(key.sign(sha256(data).digest())) == BRISBANE_SIGNATURE


def test_rfc_8463_ed25519_record() -> None:
    key = Ed25519PrivateKey.from_private_bytes(BRISBANE)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    assert public_record(pem) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_rfc_6376_canonical_example() -> None:
    """Section 3.4.5, example 1."""
    head, _, body = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n".partition(b"\r\n\r\n")
    assert canonical_field(head[:4]) == (b"a", b"a:X")
    assert canonical_field(head[6:]) == (b"b", b"b:Y Z")
    assert canonical_body(body) == b" C\r\nD E\r\n"


def test_rfc_6376_empty_body_hash() -> None:
    """Section 3.4.4: the hash of nothing."""
    for body in (b"", b"\r\n", b"\r\n\r\n\r\n", b" \t\r\n \r\n", b" "):
        assert (
            canonicalize(b"From: a@b.test\r\n\r\n" + body).body_hash == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        )


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"a", b"a\r\n"),
        (b"a\r\n", b"a\r\n"),
        (b"a \t \r\n\r\n \t\r\n", b"a\r\n"),
        (b"a \r\n ", b"a\r\n"),
        (b"a ", b"a\r\n"),
        (b"\r\n\r\na", b"\r\n\r\na\r\n"),
        (b" a\t\tb\r\n\tc\r\n", b" a b\r\n c\r\n"),
        (b"a\x0b\x0c b\r\n", b"a\x0b\x0c b\r\n"),
        (b"\xff\x00  \xff\r\n", b"\xff\x00 \xff\r\n"),
        (b" " * 100_000 + b"x" + b" " * 99_999 + b"\r\n" * 9, b" x\r\n"),
    ],
)
def test_relaxed_bodies(body: bytes, canonical: bytes) -> None:
    assert canonical_body(body) == canonical


def canonicalize_lines(body: bytes) -> bytes:
    """RFC 6376, 3.4.4, line by line."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


@given(st.lists(st.sampled_from([b"\r\n", b" ", b"  ", b"\t", b"a", b"\xff", b"."])).map(b"".join))
def test_any_body_is_canonical_line_by_line(body: bytes) -> None:
    expected = canonicalize_lines(body)
    assert canonical_body(body) == expected
    message = b"From: a@b.test\r\n\r\n" + body
    assert canonicalize(message).body_hash == b64encode(sha256(expected).digest())
    assert canonicalize(message, has_pairs=True) == canonicalize(message)


@pytest.mark.parametrize(
    ("field", "canonical"),
    [
        (b"SUBJect:AbC", b"subject:AbC"),
        (b"Subject \t:  a \t b  ", b"subject:a b"),
        (b"Subject: a\r\n\tb\r\n  c", b"subject:a b c"),
        (b"Subject:\r\n a", b"subject:a"),
        (b"Subject:", b"subject:"),
        (b"Subject: a: b", b"subject:a: b"),
    ],
)
def test_relaxed_fields(field: bytes, canonical: bytes) -> None:
    assert canonical_field(field)[1] == canonical


def test_every_line_end_becomes_crlf() -> None:
    assert normalize_line_ends(b"a\nb\rc\r\nd\n\re\r\r\n") == b"a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\n"
    clean = b"a\r\nb\r\n"
    assert normalize_line_ends(clean) is clean


def test_fields_are_signed_once_more_than_present_and_from_the_bottom() -> None:
    """RFC 6376, 5.4.2 and 8.15."""
    head = b"X-A: 1\r\nFrom: a@b.test\r\nReceived: x\r\nReceived: y\r\nX-A: 2\r\nDKIM-Signature: z\r\nSubject: s\r\n t"
    names, fields = select_fields(head)
    assert names.count(b"from") == 2
    assert names.count(b"subject") == 2
    assert names.count(b"to") == 1
    assert names.count(b"cc") == 1
    assert names.count(b"x-a") == 2
    assert b"received" not in names
    assert b"dkim-signature" not in names
    assert fields == b"from:a@b.test\r\nsubject:s t\r\nx-a:2\r\nx-a:1\r\n"


@pytest.mark.parametrize(
    "end", ["", "\r\n", "\r\n\r\n", "\r", " ", "\t", " \r\n", "a  b\r\n", "a \r\n", "\r\n \r\n", "a\tb"]
)
@pytest.mark.parametrize("lines", [0, 1_000])
def test_a_body_has_the_hash_of_its_canonical_form(lines: int, end: str) -> None:
    body = b"a line of base64, of seventy-six characters as it were, without anything\r\n" * lines + end.encode()
    for message in (b"From: a@b.test\r\n\r\n" + body, b"From: a@b.test\r\n\r\n" + b"\r\n" * 70_000 + body):
        _, _, whole = normalize_line_ends(message).partition(b"\r\n\r\n")
        assert canonicalize(message).body_hash == b64encode(sha256(canonical_body(whole)).digest())
