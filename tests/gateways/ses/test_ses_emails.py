"""Emails at SES's door, sent by boto3 and by django-anymail's own backend."""

import json

import pytest
from anymail.backends.amazon_ses import EmailBackend
from botocore.exceptions import ClientError
from django.core.mail import EmailMessage

from accounts.models import StreamType
from accounts.signing.pairs import create_signing_pair
from accounts.streams import create_stream
from messages.models import Content, Message, Recipient
from templates_app.publishing import publish_template
from templates_app.services import create_template
from tests.gateways.ses.conftest import BASE

pytestmark = pytest.mark.django_db

SIMPLE = {"Subject": {"Data": "Grüße"}, "Body": {"Text": {"Data": "Hello."}, "Html": {"Data": "<p>Hello.</p>"}}}
EMAIL = {
    "FromEmailAddress": "Shop <shop@mine.test>",
    "Destination": {"ToAddresses": ["one@rcpt.test"]},
    "Content": {"Simple": SIMPLE},
}


def refuse(call, **body):
    """The name, status and message of the error that a call gets."""
    with pytest.raises(ClientError) as caught:
        call(**body)
    error, meta = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], meta["HTTPStatusCode"], error["Message"]


def test_an_email_is_sent_with_every_field(ses, project):
    create_stream(project, name="news", type_=StreamType.TRANSACTIONAL)
    files = [
        {"RawContent": b"png", "FileName": "a.png", "ContentDisposition": "INLINE", "ContentId": "logo"},
        {"RawContent": b"text", "FileName": "b.txt", "ContentTransferEncoding": "BASE64", "ContentDescription": "b"},
    ]
    response = ses.send_email(
        **{
            **EMAIL,
            "Destination": {
                "ToAddresses": ["Jo <jo@rcpt.test>"],
                "CcAddresses": ["cc@rcpt.test"],
                "BccAddresses": ["bcc@rcpt.test"],
            },
            "ReplyToAddresses": ["help@mine.test"],
            "Content": {
                "Simple": {**SIMPLE, "Headers": [{"Name": "X-Order", "Value": "7"}], "Attachments": files},
            },
            "EmailTags": [{"Name": "order", "Value": "7"}],
            "ConfigurationSetName": "news",
            "ConfigurationOverrides": {
                "Tracking": {"OpenTrackingEnabled": "ENABLED", "ClickTrackingEnabled": "DISABLED"}
            },
        }
    )
    email = Message.objects.get(pk=response["MessageId"])
    assert (email.from_name, email.subject, email.metadata, email.stream) == ("Shop", "Grüße", {"order": "7"}, "news")
    assert (email.track_opens, email.track_clicks, dict(email.headers)) == (True, False, {"X-Order": "7"})
    kinds = set(Recipient.objects.filter(message=email).values_list("address", "kind"))
    assert kinds == {("jo@rcpt.test", "to"), ("cc@rcpt.test", "cc"), ("bcc@rcpt.test", "bcc")}
    stored = {
        (file.filename, file.content_type, file.cid, bytes(file.content.data))
        for file in email.attachments.select_related("content")
    }
    assert stored == {("a.png", "image/png", "logo", b"png"), ("b.txt", "text/plain", "", b"text")}


def test_a_wrong_field_is_named_as_ses_names_it(ses):
    wrong = {**EMAIL, "FromEmailAddress": "shop", "Destination": {"ToAddresses": ["a@x.test", "b"]}}
    code, status, message = refuse(ses.send_email, **wrong, FeedbackForwardingEmailAddress="a@x.test")
    assert (code, status) == ("BadRequestException", 400)
    for named in ("FromEmailAddress: ", "ToAddresses[1]: ", "FeedbackForwardingEmailAddress: Unknown field"):
        assert named in message
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({"Content": {"Raw": {"Data": b"Subject: x\r\n\r\nx"}, "Simple": SIMPLE}}, "BadRequestException", 400),
        ({"Content": {}}, "BadRequestException", 400),
        ({"Content": {"Template": {"TemplateName": "none"}}}, "NotFoundException", 404),
        ({"ConfigurationSetName": "none"}, "NotFoundException", 404),
    ],
)
def test_errors_have_the_names_of_ses(ses, body, code, status):
    assert refuse(ses.send_email, **{**EMAIL, **body})[:2] == (code, status)


def test_an_unverified_sender_is_told_by_name(ses, api):
    # With a way into the world, a sender needs a verified domain.
    api.post("/providers", {"name": "relay", "url": "smtp://relay.mine.test"})
    wrong = {**EMAIL, "FromEmailAddress": "a@other.test"}
    assert refuse(ses.send_email, **wrong)[:2] == ("MailFromDomainNotVerifiedException", 400)


def test_a_path_that_is_not_served_is_told_in_the_form_of_ses(anonymous):
    response = anonymous.get(f"{BASE}/v2/email/identities")
    assert (response.status_code, response["x-amzn-ErrorType"]) == (404, "NotFoundException")
    assert set(response.json()) == {"message"}


@pytest.fixture
def _template(project):
    publish_template(create_template(project, {"alias": "hello", "subject": "Hi {{ name }}", "text": "{{ word }}"}))


@pytest.mark.usefixtures("_template")
def test_a_template_is_sent(ses):
    template = {"TemplateName": "hello", "TemplateData": json.dumps({"name": "Jo", "word": "x"})}
    response = ses.send_email(**{**EMAIL, "Content": {"Template": template}})
    assert Message.objects.get(pk=response["MessageId"]).subject == "Hi Jo"
    wrong = {**EMAIL, "Content": {"Template": {**template, "TemplateData": "[]"}}}
    assert "TemplateData: Must be an object" in refuse(ses.send_email, **wrong)[2]


@pytest.mark.usefixtures("_template")
def test_each_entry_of_a_bulk_is_answered_by_itself(ses):
    entries = [
        {
            "Destination": {"ToAddresses": ["a@rcpt.test"]},
            "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": '{"name": "A"}'}},
            "ReplacementTags": [{"Name": "order", "Value": "2"}],
            "ReplacementHeaders": [{"Name": "X-Order", "Value": "2"}],
        },
        {"Destination": {"ToAddresses": ["nobody"]}},
        {"Destination": {"ToAddresses": ["c@rcpt.test"]}},
    ]
    template = {"TemplateName": "hello", "TemplateData": '{"name": "all", "word": "w"}'}
    body = {
        "FromEmailAddress": EMAIL["FromEmailAddress"],
        "DefaultContent": {"Template": template},
        "DefaultEmailTags": [{"Name": "order", "Value": "1"}],
        "BulkEmailEntries": entries,
    }
    results = ses.send_bulk_email(**body)["BulkEmailEntryResults"]
    assert [result["Status"] for result in results] == ["SUCCESS", "INVALID_PARAMETER", "SUCCESS"]
    assert "ToAddresses[0]: " in results[1]["Error"]
    first, last = (Message.objects.get(pk=results[index]["MessageId"]) for index in (0, 2))
    assert (first.subject, last.subject) == ("Hi A", "Hi all")
    assert (first.metadata, last.metadata) == ({"order": "2"}, {"order": "1"})
    assert (dict(first.headers), dict(last.headers)) == ({"X-Order": "2"}, {})
    assert Content.objects.get(message=first).text == "w"
    assert refuse(ses.send_bulk_email, **{**body, "BulkEmailEntries": entries * 17})[:2] == ("BadRequestException", 400)
    missing = {**body, "DefaultContent": {"Template": {"TemplateName": "none"}}}
    assert ses.send_bulk_email(**missing)["BulkEmailEntryResults"][0]["Status"] == "TEMPLATE_NOT_FOUND"


@pytest.mark.usefixtures("_template")
def test_anymail_sends_a_template_in_bulk(ses):
    backend = EmailBackend()
    backend.client = ses
    mail = EmailMessage(None, "", "shop@mine.test", ["a@rcpt.test", "b@rcpt.test"])
    mail.template_id, mail.merge_global_data = "hello", {"word": "w"}
    mail.merge_data = {"a@rcpt.test": {"name": "A"}, "b@rcpt.test": {"name": "B"}}
    assert backend.send_messages([mail]) == 1
    assert set(Message.objects.values_list("subject", flat=True)) == {"Hi A", "Hi B"}
    ids = {status.message_id for status in mail.anymail_status.recipients.values()}
    assert ids == {str(pk) for pk in Message.objects.values_list("pk", flat=True)}


def test_suppressions_are_put_read_listed_and_deleted(ses, connect, other_api):
    ses.put_suppressed_destination(EmailAddress="A+b/c@rcpt.test", Reason="COMPLAINT")
    ses.put_suppressed_destination(EmailAddress="two@rcpt.test", Reason="BOUNCE")
    shown = ses.get_suppressed_destination(EmailAddress="a+b/c@rcpt.test")["SuppressedDestination"]
    assert (shown["EmailAddress"], shown["Reason"]) == ("a+b/c@rcpt.test", "COMPLAINT")
    assert shown["LastUpdateTime"].tzinfo is not None
    page = ses.list_suppressed_destinations(PageSize=1)
    rest = ses.list_suppressed_destinations(PageSize=1, NextToken=page["NextToken"])
    listed = [*page["SuppressedDestinationSummaries"], *rest["SuppressedDestinationSummaries"]]
    assert [row["EmailAddress"] for row in listed] == ["two@rcpt.test", "a+b/c@rcpt.test"]
    assert "NextToken" not in rest
    assert len(ses.list_suppressed_destinations(Reasons=["BOUNCE"])["SuppressedDestinationSummaries"]) == 1
    both = ses.list_suppressed_destinations(Reasons=["BOUNCE", "COMPLAINT"], StartDate=shown["LastUpdateTime"])
    assert len(both["SuppressedDestinationSummaries"]) == 2
    ses.delete_suppressed_destination(EmailAddress="a+b/c@rcpt.test")
    assert refuse(ses.get_suppressed_destination, EmailAddress="a+b/c@rcpt.test")[:2] == ("NotFoundException", 404)
    assert refuse(ses.delete_suppressed_destination, EmailAddress="none")[:2] == ("NotFoundException", 404)


def test_another_projects_suppression_is_not_found(ses, connect, other_api):
    ses.put_suppressed_destination(EmailAddress="a@rcpt.test", Reason="BOUNCE")
    other = connect(create_signing_pair(other_api.key))
    assert refuse(other.get_suppressed_destination, EmailAddress="a@rcpt.test")[0] == "NotFoundException"
    assert other.list_suppressed_destinations()["SuppressedDestinationSummaries"] == []
