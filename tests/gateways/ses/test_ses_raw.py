"""Whole mails at SES's door, as boto3 and django-anymail's own backend send them."""

from email.message import EmailMessage as Mail
from email.mime.image import MIMEImage
from email.policy import SMTP
from typing import Any

import pytest
from anymail.backends.amazon_ses import EmailBackend
from django.core.mail import EmailMultiAlternatives

from accounts.models import StreamType
from accounts.streams import create_stream
from common.errors import InvalidFieldsError
from gateways.ses.raw import is_raw, read_raw_email
from messages.models import Message, Recipient
from messages.sending.composing import compose_raw
from templates_app.publishing import publish_template
from templates_app.services import create_template
from tests.gateways.ses.test_ses_emails import refuse

pytestmark = pytest.mark.django_db


def build_mail(text: str = "Hello.", **headers: str) -> bytes:
    mail = Mail()
    given = {"From": "Shop <shop@mine.test>", "To": "Jo <jo@rcpt.test>", "Subject": "Hi", **headers}
    for name, value in given.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes(policy=SMTP)


def send(ses: Any, raw: bytes, **around: Any) -> Message:
    return Message.objects.get(pk=ses.send_email(Content={"Raw": {"Data": raw}}, **around)["MessageId"])


def list_recipients(email: Message) -> list[tuple[str, str]]:
    return list(Recipient.objects.filter(message=email).order_by("position").values_list("kind", "address"))


def test_without_a_destination_the_header_names_the_recipients(ses):
    email = send(ses, build_mail(Cc="two@rcpt.test", Bcc="three@rcpt.test", Message_ID="<old@app.test>", X_Own="1"))
    assert list_recipients(email) == [("to", "jo@rcpt.test"), ("cc", "two@rcpt.test"), ("bcc", "three@rcpt.test")]
    assert (email.from_name, email.subject, dict(email.headers)) == ("Shop", "Hi", {"X-Own": "1"})
    assert (email.content.text, email.content.original_message_id) == ("Hello.\n", "old@app.test")


def test_the_request_comes_before_the_header(ses, project):
    create_stream(project, name="news", type_=StreamType.TRANSACTIONAL)
    email = send(
        ses,
        build_mail(From="nobody", Reply_To="old@mine.test", X_SES_MESSAGE_TAGS="a=1, b=2"),
        FromEmailAddress="Desk <desk@mine.test>",
        ReplyToAddresses=["help@mine.test"],
        Destination={"ToAddresses": ["x@rcpt.test"], "BccAddresses": ["jo@rcpt.test"]},
        EmailTags=[{"Name": "b", "Value": "3"}],
        ConfigurationSetName="news",
        ConfigurationOverrides={"Tracking": {"OpenTrackingEnabled": "ENABLED"}},
    )
    assert (email.from_address, email.stream, email.track_opens) == ("desk@mine.test", "news", True)
    assert [row["address"] for row in email.reply_to] == ["help@mine.test"]
    assert email.metadata == {"a": "1", "b": "3"}
    # The header still names one, and shows it to both.
    assert list_recipients(email) == [("to", "jo@rcpt.test"), ("bcc", "x@rcpt.test")]
    raw = compose_raw(email.pk, Recipient.objects.get(address="x@rcpt.test"))
    assert b"To: Jo <jo@rcpt.test>\r\n" in raw
    assert b"X-SES" not in raw


@pytest.mark.parametrize(
    ("raw", "around", "named"),
    [
        (b"", {}, "Content.Raw.Data: "),
        (build_mail(), {"Destination": {"ToAddresses": ["a@x.test", "b"]}}, "ToAddresses[1]: "),
        (build_mail(), {"FeedbackForwardingEmailAddress": "a@x.test"}, "FeedbackForwardingEmailAddress: Unknown field"),
        (build_mail(X_Emailsvc_Tag="a"), {}, "Did you mean X-Emailsvc-Tags?"),
        (build_mail(X_SES_CONFIGURATION_SET="none"), {}, "ConfigurationSetName: "),
        (build_mail(X_SES_MESSAGE_TAGS="a"), {}, "X-SES-MESSAGE-TAGS: "),
        (build_mail(To="jo"), {}, "ToAddresses: "),
        (b"Content-Type: multipart/signed; boundary=b\r\n" + build_mail(), {}, "Send it unsigned."),
        (b"From: shop@mine.test\r\nTo: jo@rcpt.test\r\nSubject: Hi\r\n"
         b"Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", {}, "Send it unsigned."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_stored(ses, raw, around, named):
    code, status, message = refuse(ses.send_email, Content={"Raw": {"Data": raw}}, **around)
    assert status in {400, 404}, code
    assert named in message
    assert not Message.objects.exists()


def test_a_key_in_the_mail_makes_a_repetition_the_same(ses):
    tries = [build_mail(Message_ID=f"<{n}@app.test>", X_Emailsvc_Idempotency_Key="order-7") for n in range(2)]
    assert send(ses, tries[0]) == send(ses, tries[1])
    assert refuse(ses.send_email, Content={"Raw": {"Data": build_mail("Other", X_Emailsvc_Idempotency_Key="order-7")}})
    assert Message.objects.count() == 1


def test_anymail_sends_by_its_settings_alone(ses):
    backend = EmailBackend()
    backend.client = ses
    mail = EmailMultiAlternatives(
        "Grüße", "Hello.", "Shop <shop@mine.test>", ["Jö <jo@rcpt.test>"], cc=["c@rcpt.test"], bcc=["b@rcpt.test"]
    )
    mail.attach_alternative('<p>Hello. <img src="cid:logo"></p>', "text/html")
    image = MIMEImage(b"GIF89a", "gif")
    image["Content-ID"], image["Content-Disposition"] = "<logo>", 'inline; filename="logo.gif"'
    mail.attach(image)
    mail.attach("größe.txt", "text", "text/plain")
    mail.tags, mail.metadata = ["receipt", "spring"], {"order": "7", "count": 2}
    mail.extra_headers["X-Own"] = "1"
    assert backend.send_messages([mail]) == 1
    email = Message.objects.get()
    assert mail.anymail_status.message_id == str(email.pk)
    assert (email.subject, email.tags, email.metadata) == ("Grüße", ["receipt", "spring"], {"order": "7", "count": "2"})
    assert dict(email.headers) == {"X-Own": "1"}
    assert list_recipients(email) == [("to", "jo@rcpt.test"), ("cc", "c@rcpt.test"), ("bcc", "b@rcpt.test")]
    files = {
        (file.filename, file.cid, bytes(file.content.data)) for file in email.attachments.select_related("content")
    }
    assert files == {("größe.txt", "", b"text"), ("logo.gif", "logo", b"GIF89a")}
    assert "cid:logo" in email.content.html


def test_anymail_sends_tags_with_a_template(ses, project):
    publish_template(create_template(project, {"alias": "hello", "subject": "Hi", "text": "x"}))
    backend = EmailBackend()
    backend.client = ses
    mail = EmailMultiAlternatives(None, "", "shop@mine.test", ["a@rcpt.test"])
    mail.template_id, mail.tags, mail.metadata = "hello", ["a", "b"], {"order": "7"}
    assert backend.send_messages([mail]) == 1
    email = Message.objects.get()
    assert (email.tags, email.metadata, dict(email.headers)) == (["a", "b"], {"order": "7"}, {})


def test_a_header_that_is_no_metadata_stays(ses):
    assert dict(send(ses, build_mail(X_Metadata="plain")).headers) == {"X-Metadata": "plain"}


@pytest.mark.parametrize(("data", "code"), [("###", "invalid_base64"), ("", "required"), (None, "required")])
def test_what_is_no_mail_in_base64_is_refused(data, code):
    # boto3 sends no such thing.
    body = {"Content": {"Raw": {"Data": data}}}
    assert is_raw(body)
    with pytest.raises(InvalidFieldsError) as caught:
        read_raw_email(body)
    assert [error.code for error in caught.value.errors] == [code]
