"""dkimpy and OpenDKIM verify our signatures; any changed byte breaks them."""

import random
import tracemalloc
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.dkim.canonical import canonical_body, canonical_field, normalize_line_ends
from delivery.dkim.signing import ED25519, RSA, Signer, generate_key, public_record, sign_all
from delivery.mime.message import Attachment, Mailbox, MessageContent, build
from tests.delivery.dkim import opendkim_verifier

KEYS = {RSA: generate_key(RSA), ED25519: generate_key(ED25519)}
SIGNERS = {name: Signer("acme.test", f"es-{name}", key) for name, key in KEYS.items()}
RECORDS = {f"es-{name}._domainkey.acme.test": public_record(key) for name, key in KEYS.items()}
BOTH = list(SIGNERS.values())


def built(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "from_": Mailbox(name="Acme, Inc.", address="billing@acme.test"),
        "to": [Mailbox(name=f"Jürgen Groß {n}", address=f"j{n}@x.test") for n in range(9)],
        "subject": "Ihre Quittung über 5 € – vielen Dank für Ihren Einkauf bei uns und bis zum nächsten Mal",
        "date": datetime(2025, 11, 22, 17, 36, 11, tzinfo=UTC),
        "message_id": "019aabcd-0000-7000-8000-000000000001@acme.test",
        "text": "Hello\n",
    }
    return build(MessageContent(**fields | changes), [("List-Unsubscribe", f"<https://t.acme.test/{'u' * 90}>")])  # type: ignore[arg-type]


PLAIN = b"From: a@acme.test\r\nTo: b@x.test\r\nSubject: s\r\nDate: Sat, 22 Nov 2025 17:36:11 +0000\r\n"
PDF = Attachment(filename="Grüße.pdf", content_type="application/pdf", content=bytes(range(256)) * 200)
MESSAGES = {
    "plain": built(),
    "html": built(html="<p>Grüße</p>" * 200),
    "attachments": built(html="<p>x</p>", attachments=[PDF, PDF]),
    "long lines": built(text="word " * 3000, html="<p>" + "y" * 10_000),
    "empty body": built(text=""),
    "no last line end": built(text="a"),
    "8 bit": PLAIN + b"X-Name: J\xc3\xbcrgen\r\n\r\n8 bit \xc3\xbc\xff\xfe\r\n",
    "long raw line": PLAIN + b"\r\n" + b"z" * 5000 + b"\r\n",
    "trailing spaces": PLAIN + b"\r\n  a  \t \r\nb\t\r\n \r\n\t\r\n  \r\n",
    "only line ends": PLAIN + b"\r\n\r\n\r\n\r\n",
    "no body at all": PLAIN,
    "empty body, bare": PLAIN + b"\r\n",
    "no final line end": PLAIN + b"\r\nlast",
    "spaces at the end": PLAIN + b"\r\nlast  \r\n ",
    "folded fields": PLAIN + b"References: <a@b>\r\n\t<c@d>\r\n   <e@f>\r\nX-Fold:\r\n here\r\n\r\nx\r\n",
    "duplicate fields": PLAIN + b"X-A: 1\r\nX-A:  2 \r\nX-A: 3\r\nx-a: 4\r\n\r\nx\r\n",
    "odd fields": PLAIN + b"x-lower:  spaced\r\nX-EMPTY:\r\nX-Colon: a:b:c\r\nReceived: by x\r\n\r\nx\r\n",
    "dots": PLAIN + b"\r\n.\r\n..\r\n.x\r\n",
}


def find_record(name: bytes, timeout: int = 5) -> bytes | None:
    text = RECORDS.get(name.decode("ascii").rstrip("."))
    return text.encode("ascii") if text else None


def is_valid(message: bytes, index: int = 0) -> bool:
    """Whether dkimpy accepts the field at `index`, after SMTP, which ends the last line.

    A message that it cannot even read is not valid.
    """
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    try:
        return bool(dkim.DKIM(message, minkey=1024).verify(idx=index, dnsfunc=find_record))
    except (dkim.DKIMException, ValueError):
        return False


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("algorithm", SIGNERS)
def test_dkimpy_verifies_our_signatures(name: str, algorithm: str) -> None:
    message = MESSAGES[name]
    field = SIGNERS[algorithm].sign(message)
    assert is_valid(field + message)
    assert_well_formed(field)


def assert_well_formed(field: bytes) -> None:
    lines = field.removesuffix(b"\r\n").split(b"\r\n")
    assert lines[0].startswith(b"DKIM-Signature: v=1; ")
    assert all(line.startswith(b" ") and len(line.strip()) > 1 for line in lines[1:])
    assert max(map(len, lines)) <= 78
    assert b" l=" not in field


@pytest.mark.parametrize("name", MESSAGES)
def test_both_signatures_of_one_message_verify(name: str) -> None:
    message = MESSAGES[name]
    signed = sign_all(message, BOTH) + message
    assert is_valid(signed, 0)
    assert is_valid(signed, 1)
    assert sign_all(message, BOTH) == BOTH[0].sign(message) + BOTH[1].sign(message)
    assert sign_all(message, []) == b""


def test_signing_is_repeatable() -> None:
    assert sign_all(MESSAGES["html"], BOTH) == sign_all(MESSAGES["html"], BOTH)


def can_matter(before: bytes, after: bytes) -> bool:
    """Whether a change is one at all in canonical form (the amount of white space and the case of names is not).

    dkimpy takes a form feed for white space too.
    """
    return normal_form(before) != normal_form(after) and before.split() != after.split()


def normal_form(message: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = normalize_line_ends(message).partition(b"\r\n\r\n")
    fields = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n")
    return [canonical_field(field)[1] for field in fields], canonical_body(body)


@pytest.mark.parametrize("name", ["plain", "attachments", "8 bit", "trailing spaces", "duplicate fields"])
@pytest.mark.slow("verifies hundreds of signatures")
def test_any_changed_byte_of_the_message_fails(name: str) -> None:
    message = MESSAGES[name]
    field = SIGNERS[ED25519].sign(message)
    chance = random.Random(name)
    changed_count = 0
    for _ in range(150):
        position = chance.randrange(len(message))
        changed = bytearray(message)
        changed[position] ^= 1 << chance.randrange(7)
        if can_matter(message, bytes(changed)):
            changed_count += 1
            assert not is_valid(field + bytes(changed)), (position, message[max(0, position - 20) : position + 20])
    assert changed_count > 50


def test_any_changed_byte_of_the_signature_field_fails() -> None:
    message = MESSAGES["plain"]
    field = SIGNERS[ED25519].sign(message)
    start = len(b"DKIM-Signature:")
    for position in range(start, len(field) - 2):
        changed = bytearray(field)
        changed[position] ^= 1
        before, after = (b"".join(part.split()) for part in (field, bytes(changed)))
        if before != after:
            assert not is_valid(bytes(changed) + message), position


@pytest.mark.parametrize(
    "added",
    [b"Subject: other", b"From: evil@x.test", b"To: evil@x.test", b"Cc: evil@x.test", b"Reply-To: evil@x.test",
     b"Date: now", b"Message-ID: <x@y>", b"MIME-Version: 1.0", b"Content-Type: text/html",
     b"Content-Transfer-Encoding: base64", b"List-Unsubscribe: <https://evil.test/>", b"In-Reply-To: <x@y>"],
)  # fmt: skip
def test_a_field_added_afterwards_fails(added: bytes) -> None:
    message = MESSAGES["plain"]
    field = SIGNERS[ED25519].sign(message)
    assert not is_valid(field + added + b"\r\n" + message)
    head, _, body = message.partition(b"\r\n\r\n")
    assert not is_valid(field + head + b"\r\n" + added + b"\r\n\r\n" + body)


def test_trace_fields_added_on_the_way_do_not_matter() -> None:
    message = MESSAGES["plain"]
    field = SIGNERS[RSA].sign(message)
    assert is_valid(b"Received: by mx.x.test\r\n" + field + message)
    assert is_valid(b"Return-Path: <b@acme.test>\r\nReceived: x\r\n" + field + message)


def test_more_empty_lines_and_refolded_fields_do_not_matter() -> None:
    message = MESSAGES["folded fields"]
    field = SIGNERS[RSA].sign(message)
    assert is_valid(field + message + b"\r\n\r\n")
    assert is_valid(field + message.replace(b"\r\n\t<c@d>", b" <c@d>"))


def test_bare_line_ends_are_signed_as_crlf() -> None:
    bare = MESSAGES["plain"].replace(b"\r\n", b"\n")
    assert sign_all(bare, BOTH) == sign_all(MESSAGES["plain"], BOTH)
    mixed = PLAIN + b"\r\na\rb\nc\r\n"
    assert is_valid(SIGNERS[RSA].sign(mixed) + normalize_line_ends(mixed))


@settings(max_examples=60)
@given(
    st.binary(max_size=300),
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=90), max_size=5),
)
def test_any_body_and_values_verify(body: bytes, values: list[str]) -> None:
    head = b"".join(f"X-{n}: {value.strip()}\r\n".encode("ascii") for n, value in enumerate(values))
    message = normalize_line_ends(PLAIN + head + b"\r\n" + body)
    assert is_valid(SIGNERS[ED25519].sign(message) + message)


def test_a_message_without_from_is_not_signed() -> None:
    with pytest.raises(ValueError, match="From"):
        SIGNERS[RSA].sign(b"To: a@b.test\r\n\r\nx")


@pytest.mark.parametrize(
    "domain", ["", "test", "Acme.test", "a..test", "ä.test", "a.test.", "a.test; s=x", "a.test\r\n", "-a.test"]
)
def test_an_invalid_domain_is_rejected(domain: str) -> None:
    with pytest.raises(ValueError, match="domain"):
        Signer(domain, "s", KEYS[ED25519])


@pytest.mark.parametrize("selector", ["", "a b", "a;b", "a\r\nb", ".a", "ä", "a.", "x" * 300])
def test_an_invalid_selector_is_rejected(selector: str) -> None:
    with pytest.raises(ValueError, match="selector"):
        Signer("acme.test", selector, KEYS[ED25519])


def test_a_key_that_cannot_sign_is_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    locked = weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode("ascii")
    for key in ("", "no key", locked, KEYS[RSA].replace("A", "!")):
        with pytest.raises(ValueError):
            Signer("acme.test", "s", key)
    assert Signer(
        "acme.test", "s", weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    )


def test_records_are_as_dns_wants_them() -> None:
    assert public_record(KEYS[RSA]).startswith("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A")
    assert len(public_record(KEYS[ED25519])) == len("v=DKIM1; k=ed25519; p=") + 44
    with pytest.raises(ValueError, match="algorithm"):
        generate_key("rsa-sha1")


@pytest.fixture(scope="module")
def opendkim() -> None:
    if lacking := opendkim_verifier.what_is_lacking():
        pytest.skip(lacking)


@pytest.mark.usefixtures("opendkim")
def test_opendkim_verifies_our_signatures() -> None:
    """Its Debian build knows RSA only."""
    signed = [SIGNERS[RSA].sign(message) + message.removesuffix(b"\r\n") + b"\r\n" for message in MESSAGES.values()]
    results = opendkim_verifier.verify(RECORDS, signed)
    assert dict(zip(MESSAGES, results, strict=True)) == dict.fromkeys(MESSAGES, (0, ""))


@pytest.mark.usefixtures("opendkim")
def test_opendkim_refuses_a_changed_byte() -> None:
    message = MESSAGES["attachments"]
    signed = SIGNERS[RSA].sign(message) + message
    changed = [
        signed[:position] + b"~" + signed[position + 1 :] for position in range(900, len(signed), len(signed) // 40)
    ]
    for status, words in opendkim_verifier.verify(RECORDS, changed):
        assert status != 0
        assert words


def test_a_field_of_ours_is_signed_once_more_than_it_is_present():
    message = MESSAGES["plain"].replace(b"From:", b"X-Ref: 1\r\nFrom:", 1)
    field = sign_all(message, BOTH[:1], own=[b"x-ref"])
    assert field.replace(b"\r\n ", b"").lower().count(b"x-ref") == 2


def test_a_large_file_is_in_memory_as_sent_twice_at_most() -> None:
    """Its parts and the whole mail; signing copies neither."""
    pdf = Attachment(filename="a.pdf", content_type="application/pdf", content=bytes(range(256)) * 16_384)
    as_sent = len(pdf.content) * 78 // 57
    tracemalloc.start()
    sign_all(built(attachments=[pdf]), BOTH)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert as_sent < peak < 2.2 * as_sent
