"""Whole mails at Mailgun's door."""

from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from messages.models import Message, Recipient

pytestmark = pytest.mark.django_db


def build_mail(text: str = "Hello.", **headers: str) -> bytes:
    mail = EmailMessage()
    given = {"From": "Shop <shop@mine.test>", "To": "Jo <jo@rcpt.test>", "Subject": "Hi", **headers}
    for name, value in given.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    mail.add_attachment(b"%PDF", "application", "pdf", filename="a.pdf")
    return mail.as_bytes(policy=SMTP)


def send(mailgun: Any, raw: bytes | str | None, domain: str = "mine.test", **form: Any) -> HttpResponse:
    """As mailgun.js and `curl -F message=@mail.eml` send a mail."""
    file = SimpleUploadedFile("mime.eml", raw) if isinstance(raw, bytes) else raw
    fields = {"to": "jo@rcpt.test", **({} if file is None else {"message": file}), **form}
    body = encode_multipart(BOUNDARY, {name.replace("__", ":").replace("_", "-"): fields[name] for name in fields})
    return mailgun.call("POST", f"/v3/{domain}/messages.mime", body, MULTIPART_CONTENT)


def test_a_mail_is_sent_to_its_envelope(mailgun, sent):
    raw = build_mail(Cc="two@rcpt.test", Message_ID="<old@app.test>", X_Own="1", DKIM_Signature="v=1")
    email = sent(send(mailgun, raw, to="Jo <jo@rcpt.test>, three@rcpt.test"))
    rows = Recipient.objects.order_by("position").values_list("kind", "address")
    assert list(rows) == [("to", "jo@rcpt.test"), ("bcc", "three@rcpt.test")]
    assert email.content.header_recipients["cc"] == [{"name": "", "address": "two@rcpt.test"}]
    assert (email.from_name, email.subject, dict(email.headers)) == ("Shop", "Hi", {"X-Own": "1"})
    assert email.content.original_message_id == "old@app.test"
    file = email.attachments.select_related("content").get()
    assert (file.filename, bytes(file.content.data)) == ("a.pdf", b"%PDF")


def test_options_of_the_form_come_before_those_of_the_mail(mailgun, sent):
    raw = build_mail(
        X_Mailgun_Tag="old",
        X_Mailgun_Track="yes",
        X_Mailgun_Variables='{"a": "1", "b": 2}',
        X_Emailsvc_Stream="default",
    )
    email = sent(send(mailgun, raw, o__tag=["new", "more"], o__tracking_clicks="no", v__b="3", h__X_Order="7"))
    assert (email.tags, email.metadata, dict(email.headers)) == (
        ["new", "more"],
        {"a": "1", "b": "3"},
        {"X-Order": "7"},
    )
    assert (email.track_opens, email.track_clicks) == (True, False)


def test_a_mail_may_be_a_text_of_the_form(mailgun, sent):
    assert sent(send(mailgun, build_mail().decode())).subject == "Hi"


@pytest.mark.parametrize(
    ("raw", "form", "named"),
    [
        (None, {}, "message: Must be given once"),
        (build_mail(), {"to": ""}, "to: "),
        (build_mail(), {"to": "jo@rcpt.test, b"}, "to[1]: "),
        (build_mail(), {"subject": "Hi"}, "subject: Unknown field"),
        (build_mail(), {"recipient_variables": "{}"}, "recipient-variables: "),
        (build_mail(), {"o__tracking": "maybe"}, "o:tracking: "),
        (build_mail(X_Mailgun_Drop_Message="yes"), {}, "x-mailgun-drop-message: "),
        (build_mail(From="nobody"), {}, "from: "),
        (b"\r\n", {}, "subject: "),
        (build_mail(X_Emailsvc_Tag="a"), {}, "Did you mean X-Emailsvc-Tags?"),
        (b"Content-Type: multipart/signed; boundary=b\r\n" + build_mail(), {}, "Send it unsigned."),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(mailgun, raw, form, named):
    response = send(mailgun, raw, **form)
    assert (response.status_code, set(response.json())) == (400, {"message"})
    assert named in response.json()["message"]
    assert not Message.objects.exists()


def test_the_path_names_the_senders_domain(mailgun):
    assert send(mailgun, build_mail(), domain="other.test").status_code == 404
    assert not Message.objects.exists()


def test_test_mode_checks_a_mail_and_stores_nothing(mailgun):
    assert send(mailgun, build_mail(), o__testmode="yes").status_code == 200
    assert send(mailgun, build_mail(Subject=""), o__testmode="yes").status_code == 400
    assert not Message.objects.exists()


def test_a_key_in_the_mail_makes_a_repetition_the_same(mailgun, sent):
    tries = [build_mail(Message_ID=f"<{n}@app.test>", X_Emailsvc_Idempotency_Key="order-7") for n in range(2)]
    assert sent(send(mailgun, tries[0])) == sent(send(mailgun, tries[1]))
    assert send(mailgun, build_mail("Other", X_Emailsvc_Idempotency_Key="order-7")).status_code == 400
