"""One corpus of messages, compared field by field at each ESP and in our own bytes."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from delivery.envelope import Delivery, Outcome
from delivery.http_client import HttpClient
from delivery.mime.attachments import Attachment
from delivery.mime.headers import Mailbox
from delivery.mime.message import MessageContent, prepare_message
from providers.esp.catalog import ESPS
from providers.esp.transport import EspTransport
from tests.esp_cases import CASES, Case
from tests.esp_reading import READERS, Seen, SeenFile, read_mime
from tests.esp_server import EspServer, Reply

RAW = {name for name, esp in ESPS.items() if esp.takes_raw}
ICS = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Käse\r\nEND:VCALENDAR\r\n"
EML = b"From: a@mine.test\r\nSubject: x\r\n\r\nhi\r\n"


def build(**values: Any) -> MessageContent:
    usual = {
        "from_": Mailbox(name="Shop", address="shop@mine.test"),
        "to": [Mailbox(address="one@rcpt.test")],
        "subject": "Hello",
        "date": datetime(2026, 1, 1, tzinfo=UTC),
        "message_id": f"{uuid4()}@mine.test",
        "text": "Hello.\n",
    }
    return MessageContent(**{**usual, **values})


def attach(name: str, kind: str, content: bytes, content_id: str = "") -> Attachment:
    return Attachment(filename=name, content_type=kind, content=content, content_id=content_id)


NAMES = [
    "Amt für öffentliche Ausschreibungen und Beschaffungen, Landkreis Göttingen",
    "有限会社テスト、総務部 佐藤花子様の長い長い名前です",
    "Công ty Trách nhiệm Hữu hạn (Việt Nam), phòng kế toán tổng hợp",
    "A plain ASCII name of many more than sixty-three characters, Incorporated",
    'Jane "JD" Doe \\ Sons',
    "ผู้รับจดหมายที่มีชื่อยาวมากกว่าหนึ่งบรรทัด",
    "two  spaces",
]
HEADERS = [
    ("X-Zebra", "1"),
    ("Auto-Submitted", "auto-generated"),
    ("In-Reply-To", "<1@mail.test>"),
    ("X-A", "2 (Highest)"),
    ("References", " ".join(f"<{number}.{'x' * 30}@mail.test>" for number in range(12))),
    ("List-Unsubscribe", "<https://mine.test/u?t=1>, <mailto:u@mine.test>"),
    ("List-Id", "Orders <orders.mine.test>"),
]
CORPUS: Mapping[str, MessageContent] = {
    "text": build(),
    "both": build(html="<p>Grüße &amp; more</p>\n", text="Grüße\n.\nFrom here\n", subject="Grüße: " + "ü" * 90),
    "html with an image alone": build(html="<img src='https://mine.test/a.png'>", text=""),
    **{
        f"name {number}": build(
            from_=Mailbox(name=name, address="shop@mine.test"),
            to=[Mailbox(name=name, address="one@rcpt.test")],
            cc=[Mailbox(name=name, address="two@rcpt.test")],
            reply_to=[Mailbox(name=name, address="reply@mine.test")],
        )
        for number, name in enumerate(NAMES)
    },
    "headers": build(headers=HEADERS),
    "quoted local part": build(to=[Mailbox(name="Jo", address='"a..b"@rcpt.test')]),
    "files": build(
        html="<p>Hello.</p>",
        attachments=[
            attach("a.txt", "text/plain", b"x"),
            attach("ü.csv", "text/csv; header=present", "ü;1".encode()),
            attach("latin.txt", "text/plain; charset=iso-8859-1", b"\xfc"),
            attach("no text.txt", "text/plain", b"\xff\x00"),
            attach("smime.p7m", "application/pkcs7-mime; smime-type=enveloped-data", b"\x00\x01"),
            attach("none.pdf", "application/pdf", b""),
            attach("mail.eml", "message/rfc822", EML),
        ],
    ),
    "invitation": build(
        html="<p>Come.</p>", attachments=[attach("i.ics", "text/calendar; method=REQUEST", ICS.encode())]
    ),
    "inline": build(
        html="<p style='background:url(CID:b%40x)'><img src=cid:a></p>",
        attachments=[
            attach("a.png", "image/png", b"\x89PNG", "a"),
            attach("b.gif", "image/gif", b"GIF89a", "b@x"),
            attach("c.png", "image/png", b"\x89c", "c"),
        ],
    ),
}
# Brevo has no inline images, and takes headers in ASCII alone.
CANNOT = {("brevo", "inline")}


def expect(content: MessageContent) -> Seen:
    """What every service is told, but for the types of files."""
    shown = {"a", "b@x"} if content.html and "cid:a" in content.html else set()
    return Seen(
        from_=[(content.from_.name, content.from_.address)],
        to=[(each.name, each.address) for each in content.to],
        cc=[(each.name, each.address) for each in content.cc],
        reply_to=[(each.name, each.address) for each in content.reply_to],
        subject=content.subject,
        text=content.text or "",
        html=content.html or "",
        headers=list(content.headers),
        files=[
            SeenFile(
                name=each.filename,
                type=TYPES.get(each.filename, each.content_type),
                content=each.content,
                shown_as=each.content_id if each.content_id in shown else "",
            )
            for each in content.attachments
        ],
    )


# The whole types, with the charset that a text gets when it is UTF-8.
TYPES = {
    "a.txt": "text/plain; charset=utf-8",
    "ü.csv": "text/csv; header=present; charset=utf-8",
    "i.ics": "text/calendar; method=REQUEST; charset=utf-8",
}
# By service: the types that differ, and whether a text in another charset goes as UTF-8.
OWN_TYPES: Mapping[str, Mapping[str, str]] = {
    "brevo": dict.fromkeys(
        ("a.txt", "ü.csv", "latin.txt", "no text.txt", "smime.p7m", "none.pdf", "mail.eml", "i.ics"), ""
    ),
    "mailersend": dict.fromkeys(
        (
            *("a.txt", "ü.csv", "latin.txt", "no text.txt", "smime.p7m", "none.pdf", "mail.eml", "i.ics"),
            *("a.png", "b.gif", "c.png"),
        ),
        "",
    ),
    "mailjet": {
        "a.txt": "text/plain",
        "ü.csv": "text/csv; header=present",
        "latin.txt": "text/plain",
        "no text.txt": "application/octet-stream",
        "i.ics": "text/calendar; method=REQUEST",
    },
    "sendgrid": {
        "a.txt": "text/plain",
        "ü.csv": "text/csv",
        "latin.txt": "text/plain",
        "smime.p7m": "application/pkcs7-mime",
        "i.ics": "text/calendar",
    },
}


def fit(name: str, seen: Seen) -> Seen:
    """What this service is told: its own types, forms and order."""
    own = OWN_TYPES.get(name, {})
    files = [
        replace(
            each,
            type=own.get(each.name, each.type),
            content="ü".encode() if each.name == "latin.txt" and name in OWN_TYPES else each.content,
            # The name of an inline image is its content id there.
            name="" if name == "sparkpost" and each.shown_as else each.name,
        )
        for each in seen.files
    ]
    if name in RAW | {"mailjet", "sparkpost"}:
        # Inline files stand in a place of their own.
        files.sort(key=lambda each: bool(each.shown_as) is (name not in RAW))
    headers = seen.headers
    if name == "mailjet":
        headers = [pair for pair in headers if pair[0] != "List-Id"]
    if name == "mailersend":
        own_fields = {"In-Reply-To": 0, "References": 1}
        headers = sorted(headers, key=lambda pair: own_fields.get(pair[0], 2))
    return replace(seen, files=files, headers=headers)


def as_mime(seen: Seen) -> Seen:
    """Lines end in CRLF in a mail."""
    return replace(seen, text=seen.text.replace("\n", "\r\n"), html=seen.html.replace("\n", "\r\n"))


def send(case: Case, content: MessageContent) -> tuple[Reply, list[Any]]:
    deliveries = [
        Delivery(
            recipient_id=uuid4(),
            message_id=uuid4(),
            return_path="bounces@mine.test",
            address=each.address,
            content=prepare_message(content).render(),
            message=content,
        )
        for each in (*content.to, *content.cc)
    ]
    # Mailjet's answer names each recipient.
    names = json.dumps(content.to[0].address)[1:-1].encode()
    taken = replace(case.taken, body=case.taken.content.replace(b"one@rcpt.test", names))
    with EspServer(taken) as server:
        settings = {key: value for key, value in case.url(server.url).items() if key != "esp"}
        transport = EspTransport(ESPS[case.name], settings, HttpClient())
        replies = [reply for _, reply in transport.transmit(deliveries, lambda ids: ids)]
        transport.close()
        return replies[0], server.calls


@pytest.mark.parametrize("title", CORPUS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_service_is_told_what_was_posted(case: Case, title: str) -> None:
    content = CORPUS[title]
    reply, calls = send(case, content)
    if (case.name, title) in CANNOT:
        assert (reply.outcome, calls) == (Outcome.FAILED, [])
        return
    assert reply.outcome is Outcome.ACCEPTED, reply.text
    (call,) = calls
    seen = READERS[case.name](call)
    expected = fit(case.name, expect(content))
    if title == "invitation":
        method = {"sendgrid": "text/calendar; method=REQUEST"}.get(case.name, "REQUEST")
        invitation = (method, ICS) if case.name in RAW | {"sendgrid"} else None
        expected = replace(expected, invitation=invitation)
    assert seen == (as_mime(expected) if case.name in RAW else expected)
    addresses = [each.address for each in (*content.to, *content.cc)]
    assert case.read_addresses(call) == addresses


@pytest.mark.parametrize("title", CORPUS)
def test_our_own_bytes_say_what_was_posted(title: str) -> None:
    expected = as_mime(fit("ses", expect(CORPUS[title])))
    if title == "invitation":
        expected = replace(expected, invitation=("REQUEST", ICS))
    assert read_mime(prepare_message(CORPUS[title]).render()) == expected


@pytest.mark.parametrize("name", ["postmark", "brevo"])
def test_a_phrase_in_a_header_is_encoded_where_the_service_does_not_decode_it(name: str) -> None:
    reply, calls = send(CASES[name], build(headers=[("List-Id", "Bücher und Karten <k.mine.test>"), ("X-Order", "17")]))
    if name == "brevo":
        assert (reply.outcome, calls) == (Outcome.FAILED, [])
        assert "List-Id" in reply.text
    else:
        assert calls[0].json["Headers"][0]["Value"] == "=?utf-8?q?B=C3=BCcher_und_Karten?= <k.mine.test>"


def test_a_file_whose_type_does_not_fit_its_name_goes_by_its_name_at_resend() -> None:
    file = attach("a.csv", "text/plain", b"1;2")
    _, (call,) = send(CASES["resend"], build(attachments=[file]))
    (sent,) = call.json["attachments"]
    assert (sent["content_type"], sent["content"]) == ("text/csv", b64encode(b"1;2").decode())


def test_the_callers_header_does_not_stand_beside_our_ids_at_resend() -> None:
    _, (call,) = send(CASES["resend"], build(headers=[("x-metadata", "mine")]))
    assert list(call.json["headers"]) == ["X-Metadata"]
    assert "emailsvc_message" in call.json["headers"]["X-Metadata"]


@pytest.mark.parametrize("name", ["mailjet", "mailersend"])
def test_headers_that_a_service_refuses_do_not_keep_the_mail_from_going(name: str) -> None:
    headers = [("List-Id", "<k.mine.test>"), ("Feedback-ID", "a:b:c"), ("X-Emailsvc-Id", "m.1"), ("X-Mailer", "x")]
    _, (call,) = send(CASES[name], build(headers=headers))
    kept = {"mailjet": ["Feedback-ID", "X-Emailsvc-Id"], "mailersend": ["List-Id", "X-Mailer"]}
    assert [each for each, _ in READERS[name](call).headers] == kept[name]
