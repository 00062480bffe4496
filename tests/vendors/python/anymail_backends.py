"""django-anymail: a Django program that sends through one of five services by its settings alone.

The same program for all; the service is that of the page.
"""

import json
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from email.mime.image import MIMEImage
from typing import Any
from urllib.error import HTTPError
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from steps import GIVEN, PDF, PNG, address, arrived, check_files, raised, step, unsupported, until_limited

SERVICE = GIVEN["page"]
BASE = f"{GIVEN['url']}/compat/{SERVICE}"
CLIENT = {"region_name": "eu-west-1", "endpoint_url": BASE, "config": {"retries": {"total_max_attempts": 1}}}


def build_settings(suffix: str = "") -> dict[str, Any]:
    """The settings of a service with a key; suffix `low_` names the one that is limited."""
    key, key_id, secret = (GIVEN[f"{suffix}{name}"] for name in ("key", "key_id", "secret"))
    return {
        "resend": {"RESEND_API_URL": BASE, "RESEND_API_KEY": key},
        "postmark": {"POSTMARK_API_URL": BASE, "POSTMARK_SERVER_TOKEN": key},
        "sendgrid": {"SENDGRID_API_URL": f"{BASE}/v3/", "SENDGRID_API_KEY": key},
        "mailgun": {"MAILGUN_API_URL": f"{BASE}/v3", "MAILGUN_API_KEY": key},
        "ses": {"AMAZON_SES_CLIENT_PARAMS": {**CLIENT, "aws_access_key_id": key_id, "aws_secret_access_key": secret}},
    }[SERVICE]


BACKEND = {"ses": "amazon_ses"}.get(SERVICE, SERVICE)
# The call of each service that sends an email, a batch, and a template.
SEND = {
    "resend": "POST /emails",
    "postmark": "POST /email",
    "sendgrid": "POST /v3/mail/send",
    "mailgun": "POST /v3/{domain}/messages",
    "ses": "SendEmail with Raw",
}[SERVICE]
BATCH = {"resend": "POST /emails/batch", "postmark": "POST /email/batchWithTemplates", "ses": "SendBulkEmail"}.get(
    SERVICE, SEND
)
TEMPLATE = {"postmark": "POST /email/withTemplate", "ses": "SendBulkEmail"}.get(SERVICE, SEND)
settings.configure(
    SECRET_KEY="only-here",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["anymail"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    EMAIL_BACKEND=f"anymail.backends.{BACKEND}.EmailBackend",
    DEFAULT_FROM_EMAIL=f"Demo <{GIVEN['sender']}>",
    ANYMAIL={**build_settings(), "IGNORE_RECIPIENT_STATUS": False},
)
django.setup()

from anymail.exceptions import AnymailAPIError, AnymailUnsupportedFeature  # noqa: E402  they need the settings
from anymail.signals import tracking  # noqa: E402

urlpatterns = [path("anymail/", include("anymail.urls"))]


def build(name: str, **more: Any) -> Any:
    mail = EmailMultiAlternatives(f"Subject of {name}", "It works.", to=[address(name)], **more)
    mail.attach_alternative('<p>It works. <img src="cid:logo"></p>', "text/html")
    return mail


@step("send", SEND)
def send() -> None:
    mail = build("send", reply_to=["answers@example.test"], cc=[address("cc")])
    mail.tags, mail.metadata = ["receipt"], {"order": "7"}
    assert mail.send() == 1
    status = mail.anymail_status
    assert status.status <= {"queued", "sent"}, status
    assert status.message_id or status.recipients[address("send")].message_id
    headers = {name.lower(): value for name, value in arrived(address("send"))["headers"]}
    assert headers["reply-to"] == "answers@example.test"
    assert arrived(address("cc"))["subject"] == "Subject of send"


@step("files", SEND)
def send_files() -> None:
    mail = build("files")
    mail.attach("a.pdf", PDF, "application/pdf")
    picture = MIMEImage(PNG, "png")
    picture.add_header("Content-ID", "<logo.png>" if SERVICE == "mailgun" else "<logo>")
    picture.add_header("Content-Disposition", "inline", filename="logo.png")
    mail.attach(picture)
    mail.send()
    check_files(arrived(address("files")), {"a.pdf", "logo.png"}, "logo.png" if SERVICE == "mailgun" else "logo")


def send_batch() -> None:
    mail = EmailMessage("Hello", "It works.", to=[address("one"), address("two")])
    if SERVICE == "ses":
        mail = EmailMessage(to=[address("one"), address("two")])
    if SERVICE in ("postmark", "ses"):
        mail.template_id, mail.subject, mail.body = GIVEN["template"], None, None
        mail.merge_data = {address("one"): {"name": "One"}, address("two"): {"name": "Two"}}
    else:
        mail.merge_metadata = {address("one"): {"order": "1"}, address("two"): {"order": "2"}}
    mail.send()
    found = arrived(address("two"))
    assert found["rcpt_to"] == [address("two")], found
    assert address("one") not in found["to"]


step("batch", BATCH)(send_batch)


def send_template() -> None:
    mail = EmailMessage(to=[address("template")])
    mail.template_id, mail.body = GIVEN["template"], "" if SERVICE == "mailgun" else None
    mail.subject = "Welcome, Jo" if SERVICE == "mailgun" else None
    mail.merge_global_data = {"name": "Jo"}
    mail.send()
    assert arrived(address("template"))["subject"] == "Welcome, Jo"


if SERVICE == "resend":

    @unsupported("template", SEND, "anymail has no templates of Resend's")
    def refuse_template() -> None:
        raised(send_template, AnymailUnsupportedFeature)

else:
    step("template", TEMPLATE)(send_template)

if SERVICE in ("resend", "sendgrid", "mailgun"):

    @step("update", SEND)
    def schedule() -> None:
        mail = build("later")
        mail.send_at = datetime.now(UTC) + timedelta(days=2)
        mail.send()
        assert mail.anymail_status.status == {"queued"}


class Quiet(WSGIRequestHandler):
    """Says nothing."""

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def call(method: str, route: str, body: object = None) -> Any:
    headers = {"Authorization": f"Bearer {GIVEN['key']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{GIVEN['url']}/api/v1{route}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
    except HTTPError as error:
        raise AssertionError(f"{method} {route}: {error.code} {error.read()!r}") from error


if SERVICE in ("resend", "postmark", "sendgrid"):

    @step("webhook", "webhooks")
    def track() -> None:
        """Anymail's own view gets a delivery, with its recipient, tags and metadata."""
        events: list[Any] = []
        tracking.connect(lambda event, **_: events.append(event), weak=False)
        server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/anymail/{SERVICE}/tracking/"
        made = call("POST", "/webhooks", {"url": url, "events": ["email.delivered"], "format": SERVICE})
        if SERVICE == "resend":
            settings.ANYMAIL["RESEND_SIGNING_SECRET"] = made["secret"]
        if SERVICE == "sendgrid":
            settings.ANYMAIL["SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY"] = made["public_key"]
        mail = build("track")
        mail.tags, mail.metadata = ["receipt"], {"order": "7"}
        mail.send()
        waited = threading.Event()
        # Other clients send meanwhile, and their events come here too.
        own: list[Any] = []
        for _ in range(200):
            own = [event for event in list(events) if event.recipient == address("track")]
            if own:
                break
            waited.wait(0.1)
        call("DELETE", f"/webhooks/{made['id']}")
        server.shutdown()
        [event] = own
        assert (event.event_type, event.recipient) == ("delivered", address("track"))
        assert (event.tags, event.metadata) == (["receipt"], {"order": "7"}), vars(event)
        assert event.message_id == mail.anymail_status.message_id


@step("error", SEND)
def tell_errors() -> None:
    mail = build("error")
    mail.extra_headers = {"X-Emailsvc-Id": "x", "Received": "x"} if SERVICE == "ses" else {}
    mail.to = ["nobody@localhost"]
    error = raised(mail.send, AnymailAPIError)
    assert error.status_code in (400, 422) or SERVICE == "ses", vars(error)


@step("rate limit", SEND)
def tell_limit() -> None:
    settings.ANYMAIL.update(build_settings("low_"))
    low = get_connection()
    until_limited(lambda: low.send_messages([build("limit")]), AnymailAPIError)
