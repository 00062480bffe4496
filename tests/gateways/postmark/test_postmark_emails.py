"""Emails at Postmark's door, by raw requests and by django-anymail's own backend."""

from base64 import b64encode
from email.mime.image import MIMEImage
from typing import Any

import pytest
from anymail.backends.postmark import EmailBackend
from anymail.exceptions import AnymailAPIError
from django.core.mail import EmailMultiAlternatives

from accounts.models import StreamType
from accounts.streams import create_stream
from messages.models import Message, Recipient
from messages.states import Status
from templates_app.publishing import publish_template
from templates_app.services import create_template
from tests.gateways.in_process import lead_requests
from tests.gateways.postmark.conftest import BASE, EMAIL
from tracking.models import SuppressionReason
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db


def test_an_email_is_sent_with_every_field(postmark, sent):
    response = postmark.post(
        "/email",
        {
            **EMAIL,
            "From": "Shop <shop@mine.test>",
            "To": '"Doe, Jo" <jo@rcpt.test>, two@rcpt.test',
            "Cc": "cc@rcpt.test",
            "Bcc": "bcc@rcpt.test",
            "ReplyTo": "help@mine.test",
            "HtmlBody": "<p>Hello.</p>",
            "Tag": "receipt",
            "Metadata": {"order": "7"},
            "Headers": [{"Name": "X-Order", "Value": "7"}],
            "TrackOpens": True,
            "TrackLinks": "HtmlOnly",
            "MessageStream": "outbound",
            "Attachments": [
                {
                    "Name": "a.png",
                    "Content": b64encode(b"png").decode(),
                    "ContentType": "image/png",
                    "ContentID": "cid:logo",
                }
            ],
        },
    )
    email = sent(response)
    assert response.json()["To"] == '"Doe, Jo" <jo@rcpt.test>, two@rcpt.test'
    assert (email.from_name, email.subject, email.tags, email.metadata) == ("Shop", "Hi", ["receipt"], {"order": "7"})
    assert (email.track_opens, email.track_clicks, email.stream) == (True, True, "default")
    assert dict(email.headers) == {"X-Order": "7"}
    rows = {(row.address, row.name, row.kind) for row in Recipient.objects.filter(message=email)}
    assert rows == {
        ("jo@rcpt.test", "Doe, Jo", "to"),
        ("two@rcpt.test", "", "to"),
        ("cc@rcpt.test", "", "cc"),
        ("bcc@rcpt.test", "", "bcc"),
    }
    stored = email.attachments.select_related("content").get()
    assert (stored.filename, stored.cid, bytes(stored.content.data)) == ("a.png", "logo", b"png")


def test_every_wrong_field_is_named_as_postmark_names_it(postmark):
    body = {"From": "shop", "To": "a@x.test, b", "Subject": "a\nb", "TextBody": "Hi", "html": "x", "TrackLinks": "Yes"}
    response = postmark.post("/email", body)
    assert (response.status_code, response.json()["ErrorCode"]) == (422, 300)
    for named in ("From: ", "To[1]: ", "Subject: ", "html: Unknown field", "TrackLinks: Must be one of"):
        assert named in response.json()["Message"]
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, 402),
        ([EMAIL], 422, 403),
        ({**EMAIL, "MessageStream": "nowhere"}, 422, 1235),
        ({**EMAIL, "Attachments": [{"Name": "a.txt", "Content": "?"}]}, 422, 300),
    ],
)
def test_errors_have_postmarks_codes(postmark, body, status, code):
    response = postmark.post("/email", body)
    assert (response.status_code, response.json()["ErrorCode"]) == (status, code)
    assert set(response.json()) == {"ErrorCode", "Message"}


def test_a_key_is_taken_from_postmarks_header_alone(api, anonymous):
    assert anonymous.post(f"{BASE}/email", EMAIL).status_code == 401
    assert api.post(f"{BASE}/email", EMAIL).json()["ErrorCode"] == 10
    assert anonymous.post(f"{BASE}/email", EMAIL, X_Postmark_Server_Token="es_live_wrong").json()["ErrorCode"] == 10


def test_a_path_that_is_not_served_is_told_in_postmarks_form(postmark):
    response = postmark.post("/nothing", {})
    assert (response.status_code, set(response.json())) == (404, {"ErrorCode", "Message"})


def test_a_batch_is_answered_email_by_email(postmark):
    response = postmark.post("/email/batch", [EMAIL, {**EMAIL, "To": "nobody"}, EMAIL])
    assert [item["ErrorCode"] for item in response.json()] == [0, 300, 0]
    assert response.status_code == 200
    assert Message.objects.count() == 2


def test_a_batch_without_a_valid_email_is_answered_too(postmark):
    response = postmark.post("/email/batch", [{**EMAIL, "To": "nobody"}, "text"])
    assert (response.status_code, [item["ErrorCode"] for item in response.json()]) == (200, [300, 300])
    assert not Message.objects.exists()


def test_a_batch_over_the_vendors_limit_is_refused(postmark):
    response = postmark.post("/email/batch", [EMAIL] * 501)
    assert (response.status_code, response.json()["ErrorCode"]) == (422, 410)


def test_a_template_is_sent_by_its_alias(postmark, sent, project):
    publish_template(
        create_template(project, {"alias": "hello", "subject": "Hi {{ name }}", "text": "Dear {{ name }}."})
    )
    body = {"From": EMAIL["From"], "To": EMAIL["To"], "TemplateAlias": "hello", "TemplateModel": {"name": "Jo"}}
    assert sent(postmark.post("/email/withTemplate", body)).subject == "Hi Jo"
    batch = postmark.post("/email/batchWithTemplates", {"Messages": [body, {**body, "TemplateAlias": "none"}]})
    assert [item["ErrorCode"] for item in batch.json()] == [0, 1101]
    missing = postmark.post("/email/withTemplate", EMAIL | {"TemplateModel": {}})
    assert missing.status_code == 422
    assert "TemplateId: " in missing.json()["Message"]


def test_a_stream_of_the_name_outbound_comes_before_the_default_one(postmark, sent, project):
    create_stream(project, name="outbound", type_=StreamType.TRANSACTIONAL)
    assert sent(postmark.post("/email", {**EMAIL, "MessageStream": "outbound"})).stream == "outbound"


def test_an_email_is_read_with_its_events(postmark, sent):
    email = sent(postmark.post("/email", {**EMAIL, "Tag": "x"}))
    details = postmark.get(f"/messages/outbound/{email.pk}/details").json()
    assert (details["MessageID"], details["Subject"], details["Tag"]) == (str(email.pk), "Hi", "x")
    assert (details["To"], details["Status"]) == ([{"Email": "one@rcpt.test", "Name": ""}], "Queued")


def test_another_projects_email_is_not_found(postmark, sent, other_api):
    email = sent(postmark.post("/email", EMAIL))
    other = type(postmark)(other_api)
    assert other.get(f"/messages/outbound/{email.pk}/details").status_code == 404


def test_suppressed_addresses_are_told_as_inactive(postmark, project):
    suppress(project.pk, Entry(address="two@rcpt.test", reason=SuppressionReason.BOUNCE))
    response = postmark.post("/email", {**EMAIL, "To": "one@rcpt.test, Two@rcpt.test"}).json()
    assert response["ErrorCode"] == 0
    assert "inactive addresses: two@rcpt.test. Inactive recipients" in response["Message"]


def build_backend(api: Any, monkeypatch: pytest.MonkeyPatch) -> EmailBackend:
    lead_requests(monkeypatch)
    return EmailBackend(server_token=api.token, api_url=f"http://testserver{BASE}/")


def test_anymail_sends_by_its_settings_alone(api, monkeypatch):
    backend = build_backend(api, monkeypatch)
    mail = EmailMultiAlternatives("Hi", "Hello.", "Shop <shop@mine.test>", ["Jo <jo@rcpt.test>"], cc=["c@rcpt.test"])
    mail.attach_alternative('<p>Hello. <img src="cid:logo"></p>', "text/html")
    image = MIMEImage(b"GIF89a", "gif")
    image["Content-ID"] = "<logo>"
    mail.attach(image)
    mail.attach("a.txt", "text", "text/plain")
    mail.tags, mail.metadata, mail.track_opens = ["receipt"], {"order": "7"}, True
    assert backend.send_messages([mail]) == 1
    email = Message.objects.get()
    assert mail.anymail_status.message_id == str(email.pk)
    assert mail.anymail_status.recipients["jo@rcpt.test"].status == "sent"
    assert (email.tags, email.metadata, email.track_opens) == (["receipt"], {"order": "7"}, True)
    assert {(file.filename, file.cid) for file in email.attachments.all()} >= {("a.txt", "")}


def test_anymail_tells_an_error(api, monkeypatch):
    # With a way into the world, a sender needs a verified domain.
    api.post("/providers", {"name": "relay", "url": "smtp://relay.mine.test"})
    backend = build_backend(api, monkeypatch)
    with pytest.raises(AnymailAPIError, match='"ErrorCode": 400'):
        backend.send_messages([EmailMultiAlternatives("Hi", "Hello.", "a@other.test", ["jo@rcpt.test"])])
    assert not Message.objects.filter(status=Status.QUEUED).exists()
