"""boto3's SESv2 client: the calls of SES's door."""

import json
from email.message import EmailMessage
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from steps import GIVEN, PDF, PNG, address, arrived, check_files, partial, raised, step, unsupported, until_limited


def connect(key_id: str, secret: str) -> Any:
    return boto3.client(
        "sesv2",
        endpoint_url=f"{GIVEN['url']}/compat/ses",
        region_name="eu-west-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


ses = connect(GIVEN["key_id"], GIVEN["secret"])


def build(name: str, **simple: Any) -> dict[str, Any]:
    content = {"Subject": {"Data": f"Subject of {name}"}, "Body": {"Html": {"Data": "<p>It works.</p>"}}, **simple}
    return {
        "FromEmailAddress": f"Demo <{GIVEN['sender']}>",
        "Destination": {"ToAddresses": [address(name)]},
        "Content": {"Simple": content},
    }


@step("send", "SendEmail with Simple")
def send() -> None:
    request = build("send", Headers=[{"Name": "X-Shop", "Value": "yes"}])
    tags = [{"Name": "order", "Value": "7"}]
    sent = ses.send_email(**request, ReplyToAddresses=["answers@example.test"], EmailTags=tags)
    headers = {name.lower(): value for name, value in arrived(address("send"))["headers"]}
    assert sent["MessageId"] in headers["message-id"]
    assert (headers["x-shop"], headers["reply-to"]) == ("yes", "answers@example.test")


@step("files", "SendEmail with Simple")
def send_files() -> None:
    files = [
        {"FileName": "a.pdf", "RawContent": PDF, "ContentType": "application/pdf"},
        {
            "FileName": "logo.png",
            "RawContent": PNG,
            "ContentType": "image/png",
            "ContentDisposition": "INLINE",
            "ContentId": "logo",
        },
    ]
    ses.send_email(**build("files", Body={"Html": {"Data": '<img src="cid:logo">'}}, Attachments=files))
    check_files(arrived(address("files")), {"a.pdf", "logo.png"})


@step("template", "SendEmail with Template")
def send_template() -> None:
    request = build("template")
    request["Content"] = {"Template": {"TemplateName": GIVEN["template"], "TemplateData": json.dumps({"name": "Jo"})}}
    ses.send_email(**request)
    assert arrived(address("template"))["subject"] == "Welcome, Jo"


@step("batch", "SendBulkEmail")
def send_bulk() -> None:
    entries = [
        {
            "Destination": {"ToAddresses": [to]},
            "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": json.dumps({"name": name})}},
        }
        for name, to in (("One", address("one")), ("Two", address("two")), ("Bad", "nobody"))
    ]
    answer = ses.send_bulk_email(
        FromEmailAddress=GIVEN["sender"],
        DefaultContent={"Template": {"TemplateName": GIVEN["template"], "TemplateData": "{}"}},
        BulkEmailEntries=entries,
    )
    statuses = [result["Status"] for result in answer["BulkEmailEntryResults"]]
    assert statuses == ["SUCCESS", "SUCCESS", "INVALID_PARAMETER"], answer
    assert arrived(address("two"))["subject"] == "Welcome, Two"


@step("mime", "SendEmail with Raw")
def send_raw() -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = GIVEN["sender"], address("raw"), "Whole"
    mail.set_content("It works.")
    ses.send_email(Content={"Raw": {"Data": mail.as_bytes()}})
    assert arrived(address("raw"))["subject"] == "Whole"


@step("suppression", "PutSuppressedDestination, GetSuppressedDestination")
def suppress() -> None:
    ses.put_suppressed_destination(EmailAddress=address("gone"), Reason="BOUNCE")
    found = ses.get_suppressed_destination(EmailAddress=address("gone"))["SuppressedDestination"]
    assert (found["EmailAddress"], found["Reason"]) == (address("gone"), "BOUNCE")
    listed = ses.list_suppressed_destinations(Reasons=["BOUNCE"])["SuppressedDestinationSummaries"]
    assert address("gone") in {row["EmailAddress"] for row in listed}
    ses.delete_suppressed_destination(EmailAddress=address("gone"))
    raised(lambda: ses.get_suppressed_destination(EmailAddress=address("gone")), ses.exceptions.NotFoundException)


@partial("templates", "CreateEmailTemplate, UpdateEmailTemplate", "placeholders, not blocks")
def write_template() -> None:
    content = {"Subject": "Hi {{name}}", "Html": "<p>{{{name}}}</p>"}
    ses.create_email_template(TemplateName="written", TemplateContent=content)
    ses.update_email_template(TemplateName="written", TemplateContent={**content, "Subject": "Hello {{name}}"})
    error = raised(
        lambda: ses.update_email_template(TemplateName="written", TemplateContent={"Html": "{{#if a}}x{{/if}}"}),
        ses.exceptions.BadRequestException,
    )
    assert "{{#if a" in str(error), error


@step("templates", "TestRenderEmailTemplate")
def render_template() -> None:
    answer = ses.test_render_email_template(TemplateName="written", TemplateData='{"name": "Jo"}')
    assert "Subject: Hello Jo" in answer["RenderedTemplate"], answer


@step("templates", "GetEmailTemplate, ListEmailTemplates, DeleteEmailTemplate")
def manage_templates() -> None:
    assert ses.get_email_template(TemplateName="written")["TemplateContent"]["Subject"] == "Hello {{name}}"
    assert "written" in {row["TemplateName"] for row in ses.list_email_templates()["TemplatesMetadata"]}
    ses.delete_email_template(TemplateName="written")
    raised(lambda: ses.get_email_template(TemplateName="written"), ses.exceptions.NotFoundException)


@partial("account", "GetAccount", "the limits of the day in UTC")
def get_account() -> None:
    assert ses.get_account()["SendingEnabled"]


@unsupported("other", "everything else")
def list_identities() -> None:
    error = raised(lambda: ses.list_email_identities(), ClientError)
    assert error.response["Error"]["Code"] == "NotFoundException", error.response


@step("error", "SendEmail with Simple")
def tell_errors() -> None:
    request = build("error")
    request["Destination"] = {"ToAddresses": ["nobody"]}
    error = raised(lambda: ses.send_email(**request), ses.exceptions.BadRequestException)
    assert "ToAddresses" in str(error)
    other = connect(GIVEN["key_id"], "wrong")
    error = raised(lambda: other.send_email(**build("error")), ClientError)
    assert error.response["Error"]["Code"] == "InvalidSignatureException", error.response


@step("rate limit", "SendEmail with Simple")
def tell_limit() -> None:
    low = connect(GIVEN["low_key_id"], GIVEN["low_secret"])
    until_limited(lambda: low.send_email(**build("limit")), low.exceptions.TooManyRequestsException)
