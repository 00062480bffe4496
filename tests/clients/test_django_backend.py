"""Django's mail through our backend."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.mime.image import MIMEImage
from typing import Any

import httpx
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection, send_mail
from emailsvc_client import AuthenticationError, Client, ConfigurationError, UnreachableError
from emailsvc_client.configuration import defaults
from emailsvc_client.django import MessagesRefusedError, message_accepted, message_refused
from emailsvc_client.testing.outbox import Outbox

from messages.models import Message
from tests.clients.conftest import lead_to_django

BACKEND = "emailsvc_client.django.EmailBackend"
GIF = base64.b64decode("R0lGODlhAQABAAAAACwAAAAAAQABAAA=")


@pytest.fixture(autouse=True)
def _backend(settings: Any) -> None:
    settings.EMAIL_BACKEND = BACKEND


def make(to: str | list[str] = "one@rcpt.test", **values: Any) -> EmailMessage:
    usual = {"subject": "Hi", "body": "Hello.", "from_email": "Shop <shop@mine.test>"}
    return EmailMessage(**{**usual, "to": [to] if isinstance(to, str) else to, **values})


def send_many(messages: list[EmailMessage], **options: Any) -> int:
    return get_connection(**options).send_messages(messages)


def test_a_message_with_everything_is_stored_as_it_is(in_process: None) -> None:
    message = EmailMultiAlternatives(
        "Grüße", "Text.", '"Döe, Jo" <shop@mine.test>', ["Sam <sam@rcpt.test>"],
        cc=["cc@rcpt.test"], bcc=["bcc@rcpt.test"], reply_to=["reply@mine.test"],
        headers={"X-Order": "1042", "Message-ID": "<own@mine.test>", "X-Emailsvc-Tags": "b"},
    )  # fmt: skip
    message.attach_alternative('<p><img src="cid:logo"></p>', "text/html")
    message.attach_alternative(
        "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n", "text/calendar; method=REQUEST"
    )
    message.attach("käse.txt", "Käse", "text/plain")
    message.attach("data.bin", b"\x00\xff", "application/octet-stream")
    image = MIMEImage(GIF, "gif")
    image.add_header("Content-ID", "<logo>")
    image.add_header("Content-Disposition", "inline", filename="logo.gif")
    message.attach(image)
    message.tags, message.metadata, message.track_opens = ["a"], {"order": "1042"}, False
    message.scheduled_at = datetime.now(UTC) + timedelta(hours=1)
    assert message.send() == 1
    stored = Message.objects.get(pk=message.emailsvc_id)
    assert (stored.subject, stored.tags, stored.metadata) == ("Grüße", ["a"], {"order": "1042"})
    assert stored.status == "scheduled"
    assert sorted(stored.recipients.values_list("kind", "address")) == [
        ("bcc", "bcc@rcpt.test"), ("cc", "cc@rcpt.test"), ("to", "sam@rcpt.test"),
    ]  # fmt: skip
    shown = Client().get_email(str(stored.pk))["attachments"]
    files = {each["filename"]: (each["content_type"], each["content_id"]) for each in shown}
    assert files.keys() == {"invite.ics", "käse.txt", "data.bin", "logo.gif"}
    assert files["logo.gif"] == ("image/gif", "logo")
    assert "REQUEST" in files["invite.ics"][0]


def test_blind_recipients_alone_get_an_email_each(in_process: None) -> None:
    message = make([], bcc=["one@rcpt.test", "two@rcpt.test"])
    assert message.send() == 1
    assert sorted(email["to"] for email in Client().list_emails()["data"]) == [["one@rcpt.test"], ["two@rcpt.test"]]
    assert make([], cc=["one@rcpt.test"], bcc=["two@rcpt.test"]).send() == 1


def test_html_alone_is_fine(in_process: None) -> None:
    message = make(body="<p>Hello.</p>")
    message.content_subtype = "html"
    assert message.send() == 1
    assert send_mail("Hi", "Hello.", "shop@mine.test", ["two@rcpt.test"], html_message="<p>Hello.</p>") == 1


def test_a_thousand_messages_take_two_requests_and_one_bad_address_is_told(
    in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return lead_to_django(request)

    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(answer))
    messages = [make(f"r{number}@rcpt.test") for number in range(1_000)]
    messages[700] = make(["good@rcpt.test", "no address"])
    with pytest.raises(MessagesRefusedError, match="no address") as caught:
        send_many(messages)
    assert (caught.value.addresses, caught.value.sent_count) == (["no address"], 999)
    assert caught.value.refusals[0].message is messages[700]
    assert paths == ["/api/v1/emails/batch"] * 2
    assert messages[700].emailsvc_id is None
    assert Message.objects.count() == 999


def test_silently_a_bad_address_is_left_out_and_the_others_get_the_mail(emailsvc_outbox: Outbox) -> None:
    emailsvc_outbox.refuse("bad@rcpt.test")
    messages = [make("one@rcpt.test"), make(["Bad <bad@rcpt.test>", "two@rcpt.test"]), make("bad@rcpt.test")]
    assert send_many(messages, fail_silently=True) == 2
    assert emailsvc_outbox.recipients == ["one@rcpt.test", "two@rcpt.test"]
    assert messages[2].emailsvc_id is None


def test_signals_tell_what_became_of_each_message(emailsvc_outbox: Outbox) -> None:
    told: list[tuple[str, Any]] = []

    def accepted(message: EmailMessage, email_id: str, **_: Any) -> None:
        told.append((message.to[0], email_id))

    def refused(message: EmailMessage, errors: Any, **_: Any) -> None:
        told.append((message.to[0], errors[0]["field"]))

    message_accepted.connect(accepted)
    message_refused.connect(refused)
    emailsvc_outbox.refuse("bad@rcpt.test")
    with pytest.raises(MessagesRefusedError):
        send_many([make("bad@rcpt.test"), make("one@rcpt.test")])
    message_accepted.disconnect(accepted)
    message_refused.disconnect(refused)
    assert sorted(told) == [("bad@rcpt.test", "to[0]"), ("one@rcpt.test", emailsvc_outbox.emails[0]["id"])]


def test_all_messages_refused_are_named_each(emailsvc_outbox: Outbox) -> None:
    for name in ("a", "b"):
        emailsvc_outbox.refuse(f"{name}@rcpt.test")
    with pytest.raises(MessagesRefusedError) as caught:
        send_many([make("a@rcpt.test"), make("b@rcpt.test")])
    assert (caught.value.addresses, caught.value.sent_count) == (["a@rcpt.test", "b@rcpt.test"], 0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda message: message.attach_alternative("x", "text/x-amp-html"), "text/x-amp-html"),
        (lambda message: message.extra_headers.update({"To": "list@mine.test"}), "to"),
        (lambda message: message.extra_headers.update({"X-Emailsvc-Tag": "a"}), "X-Emailsvc-Tag"),
        (lambda message: message.extra_headers.update({"X-Emailsvc-Metadata": "{"}), "Expecting"),
        (lambda message: setattr(message, "scheduled_at", datetime(2030, 1, 1)), "offset"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_said_is_refused_and_the_others_are_sent(
    emailsvc_outbox: Outbox, change: Callable[[EmailMessage], None], named: str
) -> None:
    bad = EmailMultiAlternatives("Hi", "Hello.", "shop@mine.test", ["one@rcpt.test"])
    change(bad)
    with pytest.raises(MessagesRefusedError, match=named):
        send_many([bad, make("two@rcpt.test")])
    assert emailsvc_outbox.recipients == ["two@rcpt.test"]


def test_options_are_headers_or_attributes(emailsvc_outbox: Outbox) -> None:
    headers = {
        "X-Emailsvc-Stream": "news", "X-Emailsvc-Metadata": '{"a": "b"}', "X-Emailsvc-Track-Opens": "true",
        "X-Emailsvc-Idempotency-Key": "order-1", "Reply-To": "reply@mine.test",
    }  # fmt: skip
    message = make(headers=headers)
    message.tags = ["a"]
    assert message.send() == 1
    email = emailsvc_outbox.emails[0]
    assert (email["stream"], email["metadata"], email["track_opens"]) == ("news", {"a": "b"}, True)
    assert (email["tags"], email["reply_to"], email.get("headers")) == (["a"], ["reply@mine.test"], None)
    assert emailsvc_outbox.requests[0].headers["Idempotency-Key"] == "order-1"


def test_large_messages_are_divided_by_bytes(emailsvc_outbox: Outbox) -> None:
    messages = [make(f"r{number}@rcpt.test") for number in range(6)]
    for message in messages:
        message.attach("a.bin", bytes(5 * 1024 * 1024), "application/octet-stream")
    assert send_many(messages) == 6
    assert [len(json.loads(each.content)) for each in emailsvc_outbox.requests] == [3, 3]


def test_a_batch_that_a_proxy_refuses_is_halved(emailsvc_outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(413) if len(json.loads(request.content)) > 2 else emailsvc_outbox.answer(request)

    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(answer))
    assert send_many([make(f"r{number}@rcpt.test") for number in range(5)]) == 5


@pytest.mark.parametrize(
    ("answer", "error"),
    [(httpx.Response(401, json={"code": "x"}), AuthenticationError), (httpx.ConnectError("no"), UnreachableError)],
)
def test_a_fault_of_the_service_is_raised_or_counts_nothing(
    emailsvc_outbox: Outbox, monkeypatch: pytest.MonkeyPatch, answer: Any, error: type[Exception]
) -> None:
    def give(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(give))
    monkeypatch.setattr("emailsvc_client.client.time.sleep", lambda _: None)
    with pytest.raises(error):
        make().send()
    assert make().send(fail_silently=True) == 0


def test_a_missing_key_is_told_when_the_backend_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAILSVC_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="EMAILSVC_"):
        get_connection()
    assert make().send(fail_silently=True) == 0


def test_messages_without_recipients_send_nothing(emailsvc_outbox: Outbox) -> None:
    assert send_many([make([])]) == 0
    assert emailsvc_outbox.requests == []
