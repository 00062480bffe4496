"""smtplib: submission with STARTTLS and with TLS from the start."""

import smtplib
import ssl
from email.message import EmailMessage

from steps import GIVEN, PDF, PNG, address, arrived, check_files, raised, step, until_limited

CONTEXT = ssl.create_default_context(cafile=GIVEN["certificate"])


def connect(key: str = GIVEN["key"]) -> smtplib.SMTP:
    client = smtplib.SMTP(GIVEN["smtp_host"], GIVEN["smtp_port"], timeout=30)
    client.starttls(context=CONTEXT)
    client.login("emailsvc", key)
    return client


def build(name: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Demo <{GIVEN['sender']}>", address(name), f"Subject of {name}"
    mail.set_content("It works.")
    return mail


@step("send", "STARTTLS")
def send() -> None:
    mail = build("send")
    mail["Bcc"], mail["Reply-To"], mail["X-Emailsvc-Tags"] = address("bcc"), "answers@example.test", "receipt"
    with connect() as client:
        assert client.send_message(mail) == {}
    headers = {name.lower(): value for name, value in arrived(address("send"))["headers"]}
    assert headers["reply-to"] == "answers@example.test"
    assert not {"bcc", "x-emailsvc-tags"} & set(headers)
    assert arrived(address("bcc"))["subject"] == "Subject of send"


@step("files", "STARTTLS")
def send_files() -> None:
    mail = build("files")
    mail.add_alternative('<p><img src="cid:logo"></p>', subtype="html")
    page = mail.get_payload()[1]  # type: ignore[index]
    page.add_related(PNG, "image", "png", cid="<logo>", filename="logo.png")  # type: ignore[union-attr]
    mail.add_attachment(PDF, maintype="application", subtype="pdf", filename="a.pdf")
    with connect() as client:
        client.send_message(mail)
    check_files(arrived(address("files")), {"a.pdf", "logo.png"})


@step("batch", "STARTTLS")
def send_several() -> None:
    with connect() as client:
        for name in ("one", "two"):
            client.send_message(build(name))
    assert arrived(address("two"))["subject"] == "Subject of two"


@step("send", "TLS")
def send_by_tls() -> None:
    with smtplib.SMTP_SSL(GIVEN["smtp_host"], GIVEN["smtp_tls_port"], context=CONTEXT, timeout=30) as client:
        client.login("emailsvc", GIVEN["key"])
        client.send_message(build("tls"))
    arrived(address("tls"))


@step("error", "STARTTLS")
def tell_errors() -> None:
    error = raised(lambda: connect("wrong"), smtplib.SMTPAuthenticationError)
    assert error.smtp_code == 535
    mail = build("error")
    mail["X-Emailsvc-Nothing"] = "x"
    with connect() as client:
        error = raised(lambda: client.send_message(mail), smtplib.SMTPDataError)
    assert (error.smtp_code, b"X-Emailsvc-Nothing" in error.smtp_error) == (554, True), error


@step("rate limit", "STARTTLS")
def tell_limit() -> None:
    with connect(GIVEN["low_key"]) as client:
        error = until_limited(lambda: client.send_message(build("limit")), smtplib.SMTPDataError)
    assert (error.smtp_code, error.smtp_error[:5]) == (451, b"4.7.1"), error
