"""Hostile mail gives a readable page, never an error, in bounded time."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.inbox.running_listener import Receive

pytestmark = pytest.mark.django_db

MESSAGES = "/inbox/api/messages"


def nest(depth: int, boundary: Callable[[int], str]) -> bytes:
    lines = [b"Subject: deep"]
    for level in range(depth):
        lines += [b"Content-Type: multipart/mixed; boundary=%s" % boundary(level).encode(), b""]
        lines += [b"--%s" % boundary(level).encode()]
    lines += [b"Content-Type: text/plain", b"", b"bottom"]
    lines += [b"--%s--" % boundary(level).encode() for level in reversed(range(depth))]
    return b"\r\n".join(lines) + b"\r\n"


def many_parts(count: int, part: bytes) -> bytes:
    return b"Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * count + b"--b--\r\n"


FIELDS = b"".join(b"X-%d: y\r\n" % number for number in range(100))
HOSTILE = {
    "nested 1,000 deep": nest(1000, lambda level: f"b{level}x"),
    "nested 1,000 deep with one boundary": nest(1000, lambda _: "b"),
    "nested 20,000 deep": nest(20_000, lambda level: f"b{level}x"),
    "5,000 parts": many_parts(5000, b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n"),
    "100,000 parts": many_parts(100_000, b"--b\r\n\r\n"),
    "parts of nothing but fields": many_parts(1000, b"--b\r\n" + FIELDS + b"\r\nx\r\n"),
    "an endless parameter": b"Subject: x\r\nContent-Type: text/plain" + b'; a="' * 300_000 + b"\r\n\r\nwords\r\n",
    "endless parameters in every part": many_parts(
        2000, b"--b\r\nContent-Type: multipart/mixed; boundary=c" + b";a=b" * 400 + b"\r\n\r\nx\r\n"
    ),
    "a header of a megabyte": b"Subject: " + b"x" * 1_000_000 + b"\r\n\r\nwords\r\n",
    "a header of encoded words": b"Subject:" + b" =?utf-8?q?=C3=BC?=\r\n" * 50_000 + b"\r\n\r\nwords\r\n",
    "a header of half encoded words": b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\nwords\r\n",
    "200,000 fields": b"X: y\r\n" * 200_000 + b"\r\nwords\r\n",
    "one header without an end": b"Subject: x\r\n" + b" folded\r\n" * 200_000,
    "empty": b"",
    "one line end": b"\r\n",
    "nothing but delimiters": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 300_000,
    "a broken charset": b"Subject: x\r\nContent-Type: text/plain; charset=punycode\r\n\r\n" + b"-" + b"a1" * 500_000,
    "base64 of nonsense": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=\xff!a" * 500_000,
    "quoted-printable of nonsense": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 1_000_000,
    "html of half tags": b"Content-Type: text/html\r\n\r\n" + b"<a <meta <link target target=" * 50_000,
    "html of one endless tag": b"Content-Type: text/html\r\n\r\n<a " + b"target " * 200_000,
    "html of white space": b"Content-Type: text/html\r\n\r\n<a" + b" " * 1_000_000 + b"<a target" + b" " * 1_000_000,
    "html of comments": b"Content-Type: text/html\r\n\r\n" + b"<!--x-->" * 200_000 + b"<!--",
    "html of cids": b"Content-Type: text/html\r\n\r\n" + b"'cid:" * 300_000,
    "controls": bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"") * 100,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.slow("megabytes of hostile mail")
def test_hostile_mail_is_shown(client: Client, receive: Receive, raw: bytes) -> None:
    """What grows with the square would not be shown before the test's time is over."""
    mail = receive(raw)
    answers = [client.get(f"{MESSAGES}{path}") for path in ("", f"/{mail.pk}", f"/{mail.pk}/raw", f"/{mail.pk}/html")]
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    assert answers[3].status_code in {200, 404}
    assert answers[1].json()["id"] == str(mail.pk)


def test_what_lies_too_deep_is_one_attachment_with_a_word_about_it(client: Client, receive: Receive) -> None:
    mail = receive(HOSTILE["nested 1,000 deep"])
    answer = client.get(f"{MESSAGES}/{mail.pk}").json()
    assert [each["content_type"] for each in answer["attachments"]] == ["multipart/mixed"]
    assert "deeper" in answer["warnings"][0]
    assert b"bottom" in client.get(f"{MESSAGES}/{mail.pk}/attachments/0").content


def test_5000_parts_are_listed_and_the_last_is_served(client: Client, receive: Receive) -> None:
    mail = receive(HOSTILE["5,000 parts"])
    answer = client.get(f"{MESSAGES}/{mail.pk}").json()
    assert len(answer["attachments"]) == 5000
    assert client.get(f"{MESSAGES}/{mail.pk}/attachments/4999").content == b"x"


def test_the_number_of_hidden_parts_is_shown(client: Client, receive: Receive) -> None:
    mail = receive(HOSTILE["100,000 parts"])
    assert "first 10000 parts" in client.get(f"{MESSAGES}/{mail.pk}").json()["warnings"][0]


def test_a_text_too_long_to_show_is_cut_with_a_word_about_it(client: Client, receive: Receive) -> None:
    mail = receive(b"Subject: x\r\n\r\n" + b"0123456789abcde\n" * 600_000)
    answer = client.get(f"{MESSAGES}/{mail.pk}").json()
    assert len(answer["text"]) == 8_000_000
    assert "8000000" in answer["warnings"][0]
