"""sendgrid-python: the calls of SendGrid's door."""

import time
from base64 import b64encode
from typing import Any

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import (
    Attachment,
    BatchId,
    Category,
    ContentId,
    CustomArg,
    Disposition,
    FileContent,
    FileName,
    FileType,
    Header,
    Mail,
    Personalization,
    ReplyTo,
    SendAt,
    Substitution,
    To,
)
from steps import GIVEN, PDF, PNG, address, arrived, check_files, raised, step, unsupported, until_limited


def connect(key: str) -> Any:
    return SendGridAPIClient(key, host=f"{GIVEN['url']}/compat/sendgrid")


sendgrid = connect(GIVEN["key"])


def build(name: str, *, html: str = "<p>It works.</p>") -> Any:
    return Mail(
        from_email=(GIVEN["sender"], "Demo"), to_emails=address(name), subject=f"Subject of {name}", html_content=html
    )


def attach(name: str, content: bytes, type_: str, cid: str = "") -> Any:
    disposition = Disposition("inline" if cid else "attachment")
    encoded = FileContent(b64encode(content).decode())
    return Attachment(encoded, FileName(name), FileType(type_), disposition, ContentId(cid) if cid else None)


@step("send", "POST /v3/mail/send")
def send() -> None:
    mail = build("send")
    mail.reply_to = ReplyTo("answers@example.test")
    mail.add_category(Category("receipt"))
    mail.add_custom_arg(CustomArg("order", "7"))
    mail.add_header(Header("X-Shop", "yes"))
    answer = sendgrid.send(mail)
    assert answer.status_code == 202
    headers = {name.lower(): value for name, value in arrived(address("send"))["headers"]}
    assert answer.headers["X-Message-Id"] in headers["message-id"]
    assert (headers["x-shop"], headers["reply-to"]) == ("yes", "answers@example.test")


@step("files", "POST /v3/mail/send")
def send_files() -> None:
    mail = build("files", html='<img src="cid:logo">')
    mail.attachment = [attach("a.pdf", PDF, "application/pdf"), attach("logo.png", PNG, "image/png", "logo")]
    sendgrid.send(mail)
    check_files(arrived(address("files")), {"a.pdf", "logo.png"})


@step("batch", "POST /v3/mail/send")
def send_batch() -> None:
    mail = Mail(from_email=GIVEN["sender"], subject="Hello -name-", html_content="<p>-name-</p>")
    for name in ("one", "two"):
        personal = Personalization()
        personal.add_to(To(address(name)))
        personal.add_substitution(Substitution("-name-", name))
        mail.add_personalization(personal)
    sendgrid.send(mail)
    assert arrived(address("two"))["subject"] == "Hello two"


@step("template", "POST /v3/mail/send")
def send_template() -> None:
    mail = Mail(from_email=GIVEN["sender"], to_emails=address("template"))
    mail.template_id = GIVEN["template"]
    mail.dynamic_template_data = {"name": "Jo"}
    sendgrid.send(mail)
    assert arrived(address("template"))["subject"] == "Welcome, Jo"


@step("cancel", "POST /v3/user/scheduled_sends")
def cancel() -> None:
    batch_id = sendgrid.client.mail.batch.post().to_dict["batch_id"]
    mail = build("cancel")
    mail.send_at, mail.batch_id = SendAt(int(time.time()) + 86_400), BatchId(batch_id)
    sendgrid.send(mail)
    body = {"batch_id": batch_id, "status": "cancel"}
    assert sendgrid.client.user.scheduled_sends.post(request_body=body).status_code == 201
    assert sendgrid.client.user.scheduled_sends._(batch_id).get().to_dict == [body]


@unsupported("other", "everything else")
def use_templates() -> None:
    error = raised(lambda: sendgrid.client.templates.get(), HTTPError)
    assert (error.status_code, "not served here" in error.to_dict["errors"][0]["message"]) == (404, True)


@step("error", "POST /v3/mail/send")
def tell_errors() -> None:
    mail = build("error")
    mail.personalizations[0].tos[0]["email"] = "nobody"
    error = raised(lambda: sendgrid.send(mail), HTTPError)
    assert (error.status_code, error.to_dict["errors"][0]["field"]) == (400, "personalizations.0.to.0"), error.body
    assert raised(lambda: connect("SG.wrong").send(build("error")), HTTPError).status_code == 401


@step("rate limit", "POST /v3/mail/send")
def tell_limit() -> None:
    low = connect(GIVEN["low_key"])
    error = until_limited(lambda: low.send(build("limit")), HTTPError)
    assert (error.status_code, int(error.headers["Retry-After"]) >= 1) == (429, True)
