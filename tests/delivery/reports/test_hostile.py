"""Hostile reports: no exception, whatever the content, in bounded time and memory."""

import random
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.reports.parse import parse_report
from tests.delivery.reports.samples import LETTERS, write_dsn, write_feedback, write_letter
from tests.effort import assert_linear

SIZE = 10 * 1024 * 1024

TOP = b"Return-Path: <>\nFrom: MAILER-DAEMON@mx.test\nTo: a@ours.test\nSubject: Returned mail\n"
SEEDS = [sample.raw for sample in LETTERS] + [
    write_dsn("Final-Recipient: rfc822; ann@there.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no"),
    write_feedback("Feedback-Type: abuse\nOriginal-Rcpt-To: ann@there.test"),
]


def nest(depth: int, leaf: bytes) -> bytes:
    heads = (b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(depth))
    return TOP + b"".join(heads) + leaf


def fill(unit: bytes, size: int = SIZE) -> bytes:
    return unit * (size // len(unit))


# Built when wanted: together they would fill the memory that is measured.
JUNK: dict[str, Callable[[], bytes]] = {
    "random bytes": lambda: TOP + b"\n" + random.Random(1).randbytes(SIZE),
    "one long word": lambda: TOP + b"\n" + fill(b"a"),
    "at signs": lambda: TOP + b"\n" + fill(b"@"),
    "addresses": lambda: TOP + b"\n" + fill(b"<a@b.test>: 550 no such user\n"),
    "distinct recipients": lambda: TOP + b"\n" + b"".join(b"u%d@b.test: 550 no user\n" % n for n in range(100_000)),
    "blanks": lambda: TOP + b"\n" + fill(b" " * 1_000 + b"\n"),
    "empty lines": lambda: TOP + b"\n" + fill(b"\n"),
    "quotes": lambda: TOP + b"\n" + fill(b">"),
    "half tags": lambda: TOP + b"Content-Type: text/html\n\n" + fill(b"<style>&#x41;<"),
    "base64 that is none": lambda: TOP + b"Content-Transfer-Encoding: base64\n\n" + fill(b"Q=="),
    "header fields": lambda: fill(b"A: b\n"),
    "a folded header": lambda: b"Subject: " + fill(b"x\n "),
    "encoded words": lambda: b"Subject: " + fill(b"=?utf-8?q?x?= ") + b"\n\n",
    "a parameter without end": lambda: b'Content-Type: multipart/mixed; boundary="' + fill(b'";') + b"\n\nx",
    "1,000 nested parts": lambda: nest(1_000, b"hello"),
    "5,000 nested parts, full": lambda: nest(5_000, fill(b"x\n")),
    "nested mails": lambda: TOP + fill(b"Content-Type: message/rfc822\n\n"),
    "a million parts": lambda: TOP + b"Content-Type: multipart/mixed; boundary=b\n\n" + fill(b"--b\n\nx\n"),
    "one boundary for all levels": lambda: TOP + fill(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
    "status fields": lambda: (
        TOP + b"Content-Type: message/delivery-status\n\n" + fill(b"Final-Recipient: rfc822;a@b.test\n")
    ),
    "a status field without end": lambda: (
        TOP
        + b"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822;a@b.test\nAction: failed\nDiagnostic-Code:"
        + fill(b"x\n ")
    ),
    "feedback fields": lambda: (
        TOP + b"Content-Type: message/feedback-report\n\n" + fill(b"Original-Rcpt-To: a@b.test\n")
    ),
    "deep JSON": lambda: TOP + b'\n{"mail":' + fill(b"["),
    "a long number in JSON": lambda: TOP + b'\n{"mail":' + b"9" * 100_000 + b"}",
    "mbox": lambda: fill(b"From a@b.test Mon Jan  6 10:00:00 2025\nSubject: x\n\nhi\n\n"),
}


@pytest.mark.parametrize("name", JUNK)
def test_ten_mebibytes_of_junk_take_bounded_memory(name: str):
    """And bounded time: what grows with the square would not end."""
    raw = JUNK[name]()
    tracemalloc.start()
    report = parse_report(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(report.recipients) <= 100
    assert peak < 12 * SIZE


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "zlib", "rot13", "undefined", "unicode_escape", "utf-7", "utf-16", "x" * 500, "\xff", "../x"],
)
def test_a_charset_cannot_expand_without_limit(charset: str):
    top = TOP + b"Content-Type: text/plain; charset=" + charset.encode() + b"\n\n"
    parse_report(top + fill(b"\x1b$B+AEE-~{\\u0041", SIZE // 10))


WORDS = [
    "user",
    "mailbox",
    "not",
    "over",
    "host",
    "message",
    "your",
    "delivery",
    "recipient",
    "address",
    "could",
    "the",
]
WORDS += [
    "of",
    "copy",
    "this",
    "is",
    "for",
    "unknown",
    "was",
    "does",
    "sender",
    "relay",
    "blocked",
    "exceed",
    "rcpt to:",
]
WORDS += ["550", "5.1.1", "a@b.test", "<a@b.test>", "x.y.", "-", "=", ">", "*", "(", "[", "'", "c=a;dda:smtp=", "&amp;"]


@pytest.mark.parametrize("word", WORDS)
def test_no_pattern_backtracks_without_end(word: str):
    assert_linear(partial(parse_words, word), 2_000)


def parse_words(word: str, length: int) -> None:
    """Reports of lines of that length. Only a line with an at sign is searched for addresses."""
    spaced, joined = (f"{(unit * length)[: length - 2]}@\n" for unit in (f"{word} ", word))
    lines = spaced * 6 + joined * 3
    fields = f"Final-Recipient: rfc822;a@b.test\nAction: failed\nDiagnostic-Code: smtp; {word * length}"
    parse_report(write_letter(lines))
    parse_report(write_letter(lines, headers=["Content-Type: text/html"]))
    parse_report(write_dsn(fields))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2_000))
def test_any_bytes_are_a_mail(raw: bytes):
    parse_report(raw)
    parse_report(TOP + b"\n" + raw)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_a_report_that_was_damaged_is_still_read_without_an_exception(seed: bytes, data: st.DataObject):
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 60)))
    inserted = data.draw(
        st.one_of(st.binary(max_size=30), st.sampled_from([b"\0", b"\r", b"\n\n", b"=?", b"<", b"--=b"]))
    )
    report = parse_report(seed[:start] + inserted + seed[end:])

    assert report.kind in {"bounce", "complaint", "delivered", "delayed", "none"}
    assert all(one.address for one in report.recipients)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_any_text_may_stand_in_a_diagnostic(text: str):
    parse_report(
        write_dsn(
            f"Final-Recipient: rfc822; a@b.test\nAction: failed\nDiagnostic-Code: smtp; {text}".encode(
                "utf-8", "replace"
            ).decode()
        )
    )
