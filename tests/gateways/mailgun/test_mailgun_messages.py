"""Emails at Mailgun's door, by raw forms and by django-anymail's own backend."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.mime.image import MIMEImage
from email.utils import format_datetime
from typing import Any

import pytest
from anymail.backends.mailgun import EmailBackend
from anymail.exceptions import AnymailAPIError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.mail import EmailMultiAlternatives

from messages.models import Content, Message, Recipient
from templates_app.publishing import publish_template
from templates_app.services import create_template
from tests.gateways.in_process import lead_requests
from tests.gateways.mailgun.conftest import BASE, EMAIL

pytestmark = pytest.mark.django_db


def test_an_email_is_sent_with_every_field(mailgun, sent):
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    form = {
        **EMAIL,
        "from": "Shop <shop@mine.test>",
        "to": ['"Doe, Jo" <jo@rcpt.test>, two@rcpt.test', "three@rcpt.test"],
        "cc": "cc@rcpt.test",
        "bcc": "bcc@rcpt.test",
        "html": "<p>Hello. %unsubscribe_url%</p>",
        "h:Reply-To": "help@mine.test, desk@mine.test",
        "h:X-Order": "7",
        "v:order": "7",
        "o:tag": ["receipt", "spring"],
        "o:tracking": "no",
        "o:tracking-clicks": "htmlonly",
        "o:deliverytime": format_datetime(soon),
        "o:dkim": "yes",
        "attachment": SimpleUploadedFile("a.txt", b"text", "text/plain"),
        "inline": SimpleUploadedFile("logo.png", b"png", "image/png"),
    }
    email = sent(mailgun.send(form))
    assert (email.from_name, email.subject, email.tags) == ("Shop", "Hi", ["receipt", "spring"])
    assert (email.metadata, dict(email.headers)) == ({"order": "7"}, {"X-Order": "7"})
    assert (email.track_opens, email.track_clicks, email.enable_unsubscribe) == (False, True, True)
    assert email.scheduled_at == soon
    assert [row["address"] for row in email.reply_to] == ["help@mine.test", "desk@mine.test"]
    rows = {(row.address, row.name, row.kind) for row in Recipient.objects.filter(message=email)}
    assert rows == {
        ("jo@rcpt.test", "Doe, Jo", "to"),
        ("two@rcpt.test", "", "to"),
        ("three@rcpt.test", "", "to"),
        ("cc@rcpt.test", "", "cc"),
        ("bcc@rcpt.test", "", "bcc"),
    }
    files = {
        (file.filename, file.content_type, file.cid, bytes(file.content.data))
        for file in email.attachments.select_related("content")
    }
    assert files == {("a.txt", "text/plain", "", b"text"), ("logo.png", "image/png", "logo.png", b"png")}


def test_every_wrong_field_is_named_as_mailgun_names_it(mailgun):
    form = {
        "from": "sh op@mine.test",
        "to": "a@x.test, b",
        "subject": "a\nb",
        "text": "Hi",
        "reply_to": "x@x.test",
        "o:tracking-opens": "maybe",
        "o:deliverytime": "tomorrow",
        "o:require-tls": "yes",
        "h:DKIM-Signature": "x",
        "attachment": "no file",
    }
    response = mailgun.send(form)
    assert (response.status_code, set(response.json())) == (400, {"message"})
    for named in (
        "from: ",
        "to[1]: ",
        "subject: ",
        "reply_to: Unknown field",
        "o:tracking-opens: Must be one of no, yes",
        "o:deliverytime: Must be a date",
        "o:require-tls: ",
        "h.DKIM-Signature: ",
        "attachment: Must be a file",
    ):
        assert named in response.json()["message"], response.json()["message"]
    assert not Message.objects.exists()


def test_an_empty_time_is_an_error_and_sends_nothing(mailgun):
    response = mailgun.send({**EMAIL, "o:deliverytime": ""})
    assert response.status_code == 400
    assert "o:deliverytime" in response.json()["message"]
    assert not Message.objects.exists()


@pytest.mark.parametrize("user", ["api:es_live_wrong", "other:{key}", "nothing"])
def test_a_wrong_key_is_refused(api, anonymous, user):
    basic = "Basic " + b64encode(user.format(key=api.token).encode()).decode()
    path = f"{BASE}/v3/mine.test/messages"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = anonymous.post(path, b"from=a", Authorization=basic, **form)
    assert (response.status_code, set(response.json())) == (401, {"message"})
    assert response["WWW-Authenticate"].startswith("Basic")
    assert api.post(path, b"from=a", **form).status_code == 401


def test_the_path_names_the_senders_domain_or_one_of_the_project(mailgun, project, sent):
    response = mailgun.send(EMAIL, domain="other.test")
    assert (response.status_code, response.json()) == (404, {"message": "Domain not found: other.test"})
    project.domains.create(name="other.test", ownership_token="t", next_check_at=datetime.now(UTC))
    sent(mailgun.send(EMAIL, domain="Other.test"))


def test_a_path_that_is_not_served_is_told_in_mailguns_form(mailgun):
    response = mailgun.call("GET", "/v3/domains", b"", "")
    assert (response.status_code, set(response.json())) == (404, {"message"})
    assert mailgun.call("GET", "/v3/mine.test/messages", b"", "").status_code == 405


@pytest.mark.parametrize(
    ("body", "content_type", "named"),
    [
        (b"{}", "application/json", "Content-Type"),
        (b"", "application/x-www-form-urlencoded", "required"),
        (b"subject=%FF", "application/x-www-form-urlencoded", "UTF-8"),
        (b"--x\r\n\r\nno name\r\n--x--", "multipart/form-data; boundary=x", "no name"),
        (b'--x\r\nContent-Disposition: form-data; name="to"\r\n\r\na', "multipart/form-data; boundary=x", "delimiter"),
        (
            b'--x\r\nContent-Disposition: form-data; name="to"\r\n\r\n\xff\r\n--x--',
            "multipart/form-data; boundary=x",
            "not text",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="to"\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n--x--',
            "multipart/form-data; boundary=x",
            "Content-Transfer-Encoding",
        ),
        (b"x", "multipart/form-data", "boundary"),
        (b"&".join([b"to=a"] * 5001), "application/x-www-form-urlencoded", "5000 fields"),
    ],
)
def test_what_is_no_form_is_refused(mailgun, body, content_type, named):
    response = mailgun.call("POST", "/v3/mine.test/messages", body, content_type)
    assert (response.status_code, set(response.json())) == (400, {"message"})
    assert named in response.json()["message"]


def test_a_form_may_have_a_charset_indexes_and_a_preamble(mailgun, sent):
    parts = [
        ('name="from"', b"shop@mine.test"),
        ('name="to[0]"', b"one@rcpt.test"),
        ('name="to[1]"', b"two@rcpt.test"),
        ('name="subject"\r\nContent-Type: text/plain; charset=ISO-8859-1', b"Gr\xfc\xdfe"),
        ('name="text"', b"--x is\r\n--xy no delimiter"),
        ('name="attachment"; filename="a%22b.bin"', b"\r\n\x00\r\n"),
        ('name="attachment"; filename=""\r\nContent-Type: application/octet-stream', b""),
    ]
    body = b"passed over" + b"".join(
        b"\r\n--x\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + content
        for head, content in parts
    )
    email = sent(
        mailgun.call("POST", "/v3/mine.test/messages", body + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
    )
    assert email.subject == "Grüße"
    assert Content.objects.get(message=email).text == "--x is\r\n--xy no delimiter"
    assert Recipient.objects.filter(message=email).count() == 2
    file = email.attachments.select_related("content").get()
    assert (file.filename, bytes(file.content.data)) == ('a"b.bin', b"\r\n\x00\r\n")


def test_each_recipient_with_variables_gets_an_email(mailgun):
    form = {
        **EMAIL,
        "to": ["Jo Doe <jo@rcpt.test>", "Two@rcpt.test", "two@rcpt.test"],
        "subject": "Hi %recipient.name%, %recipient_fname%",
        "text": "Dear %recipient_email%: %recipient.none%",
        "v:id": "%recipient.id%",
        "attachment": SimpleUploadedFile("a.txt", b"text"),
        "recipient-variables": json.dumps({"jo@rcpt.test": {"name": "Jo", "id": 7}, "two@rcpt.test": {"name": "Two"}}),
    }
    response = mailgun.send(form)
    assert response.status_code == 200, response.content
    first, second = Message.objects.order_by("pk")
    assert response.json()["ids"] == [first.message_id, second.message_id]
    assert response.json()["id"] == first.message_id
    assert (first.subject, first.metadata) == ("Hi Jo, Jo", {"id": "7"})
    assert (second.subject, second.metadata) == ("Hi Two, ", {"id": "%recipient.id%"})
    assert Content.objects.get(message=first).text == "Dear jo@rcpt.test: %recipient.none%"
    assert [row.address for row in Recipient.objects.order_by("message_id")] == ["jo@rcpt.test", "Two@rcpt.test"]
    assert [email.attachments.get().filename for email in (first, second)] == ["a.txt", "a.txt"]


@pytest.mark.parametrize(
    ("variables", "to", "named"),
    [
        ("{", "a@rcpt.test", "recipient-variables: "),
        ("[]", "a@rcpt.test", "recipient-variables: Must be an object"),
        ('{"a@rcpt.test": {"s": "a\\nb"}}', "a@rcpt.test, b@rcpt.test", "[0].subject: "),
        ("{}", "a@rcpt.test, nobody", "[1].to[0]: "),
        ("{}", ", ".join(f"a{n}@rcpt.test" for n in range(1001)), "to: At most 1000"),
    ],
)
def test_all_messages_of_a_form_or_none_are_accepted(mailgun, variables, to, named):
    response = mailgun.send({**EMAIL, "subject": "%recipient.s%", "to": to, "recipient-variables": variables})
    assert response.status_code == 400
    assert named in response.json()["message"]
    assert not Message.objects.exists()


def test_the_content_of_all_messages_has_a_limit(mailgun):
    many = ", ".join(f"a{n}@rcpt.test" for n in range(40))
    response = mailgun.send({**EMAIL, "to": many, "text": "x" * 2_000_000, "recipient-variables": "{}"})
    assert (response.status_code, "64 MiB" in response.json()["message"]) == (400, True)


def test_a_template_takes_variables_and_a_subject(mailgun, sent, project):
    publish_template(
        create_template(project, {"alias": "hello", "subject": "Hi", "text": "Dear {{ name }}, {{ n.x }}."})
    )
    form = {
        "from": EMAIL["from"],
        "to": EMAIL["to"],
        "template": "hello",
        "t:variables": '{"name": "Jo"}',
        "t:text": "yes",
    }
    email = sent(mailgun.send({**form, "v:n": '{"x": 1}', "subject": "Own"}))
    assert (email.subject, Content.objects.get(message=email).text) == ("Own", "Dear Jo, 1.")
    assert sent(mailgun.send(form | {"h:X-Mailgun-Variables": '{"n": {"x": 2}}'})).subject == "Hi"
    response = mailgun.send({**form, "template": "none"})
    assert (response.status_code, response.json()["message"].startswith("template: ")) == (400, True)
    assert "subject: " in mailgun.send({**form, "subject": "a\nb"}).json()["message"]


@pytest.mark.parametrize("variables", [{}, {"recipient-variables": "{}"}])
def test_test_mode_checks_and_stores_nothing(mailgun, sent, variables):
    form = {**EMAIL, "to": "one@rcpt.test, two@rcpt.test", "o:testmode": "yes", **variables}
    for _ in range(2):
        response = mailgun.send(form, **{"Idempotency-Key": "a"})
        assert (response.status_code, response.json()["message"]) == (200, "Queued. Thank you.")
        assert response.json()["id"].endswith("@mine.test>")
        assert len(response.json().get("ids", [1])) == (2 if variables else 1)
    assert mailgun.send({**form, "subject": "a\nb"}).status_code == 400
    file = SimpleUploadedFile("a.bin", b"x" * 6_000_000)
    assert "attachment" in mailgun.send({**form, "attachment": file}).json()["message"]
    assert not Message.objects.exists()
    sent(mailgun.send({**EMAIL, "o:testmode": "no"}, **{"Idempotency-Key": "a"}))


def test_a_repeated_request_is_answered_again(mailgun, sent):
    form = {**EMAIL, "attachment": SimpleUploadedFile("a.txt", b"text")}
    first = sent(mailgun.send(form, **{"Idempotency-Key": "a"}))
    form["attachment"].seek(0)
    assert sent(mailgun.send(form, **{"Idempotency-Key": "a"})) == first
    assert mailgun.send(EMAIL, **{"Idempotency-Key": "a"}).status_code == 400


def build_backend(api: Any, monkeypatch: pytest.MonkeyPatch) -> EmailBackend:
    lead_requests(monkeypatch)
    return EmailBackend(api_key=api.token, api_url=f"http://testserver{BASE}/v3/")


def test_anymail_sends_by_its_settings_alone(api, monkeypatch):
    backend = build_backend(api, monkeypatch)
    mail = EmailMultiAlternatives("Grüße", "Hello.", "Shop <shop@mine.test>", ["Jö <jo@rcpt.test>"], cc=["c@rcpt.test"])
    mail.attach_alternative('<p>Hello. <img src="cid:logo"></p>', "text/html")
    image = MIMEImage(b"GIF89a", "gif")
    image["Content-ID"] = "<logo>"
    image["Content-Disposition"] = "inline"
    mail.attach(image)
    mail.attach("größe.txt", "text", "text/plain")
    mail.tags, mail.metadata, mail.track_opens = ["receipt"], {"order": "7"}, True
    mail.send_at = datetime.now(UTC) + timedelta(hours=1)
    assert backend.send_messages([mail]) == 1
    email = Message.objects.get()
    assert mail.anymail_status.message_id == email.message_id
    assert mail.anymail_status.recipients["jo@rcpt.test"].status == "queued"
    assert (email.subject, email.tags, email.metadata, email.track_opens) == (
        "Grüße",
        ["receipt"],
        {"order": "7"},
        True,
    )
    assert {(file.filename, file.cid) for file in email.attachments.all()} == {("größe.txt", ""), ("logo", "logo")}


def test_anymail_merges_by_recipient(api, monkeypatch):
    backend = build_backend(api, monkeypatch)
    mail = EmailMultiAlternatives("Hi", "Dear %recipient.name%.", "shop@mine.test", ["a@rcpt.test", "b@rcpt.test"])
    mail.merge_data = {"a@rcpt.test": {"name": "A"}, "b@rcpt.test": {"name": "B"}}
    mail.merge_metadata = {"a@rcpt.test": {"id": "1"}, "b@rcpt.test": {"id": "2"}}
    mail.merge_headers = {"a@rcpt.test": {"X-Order": "1"}}
    assert backend.send_messages([mail]) == 1
    first, second = Message.objects.order_by("pk")
    assert [Content.objects.get(message=row).text for row in (first, second)] == ["Dear A.", "Dear B."]
    assert [row.metadata["id"] for row in (first, second)] == ["1", "2"]
    assert [dict(row.headers) for row in (first, second)] == [{"X-Order": "1"}, {}]


def test_anymail_tells_an_error(api, monkeypatch):
    # With a way into the world, a sender needs a verified domain.
    api.post("/providers", {"name": "relay", "url": "smtp://relay.mine.test"})
    backend = build_backend(api, monkeypatch)
    with pytest.raises(AnymailAPIError, match=r"other\.test"):
        backend.send_messages([EmailMultiAlternatives("Hi", "Hello.", "a@other.test", ["jo@rcpt.test"])])
    assert not Message.objects.exists()
