"""Emails at SendGrid's door, by raw requests and by django-anymail's own backend."""

import warnings
from base64 import b64encode
from email.mime.image import MIMEImage
from typing import Any

import pytest
from anymail.exceptions import AnymailAPIError
from django.core.mail import EmailMultiAlternatives

from accounts.models import StreamType
from accounts.streams import create_stream
from messages.models import Message, Recipient
from templates_app.publishing import publish_template
from templates_app.services import create_template
from tests.gateways.in_process import lead_requests
from tests.gateways.sendgrid.conftest import BASE, build_mail

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from anymail.backends.sendgrid import EmailBackend

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailWarning")]


def list_errors(response: Any, status: int = 400) -> dict[str, str]:
    """The messages of a refused request by field."""
    assert response.status_code == status, response.content
    assert not Message.objects.exists()
    for each in response.json()["errors"]:
        assert set(each) == {"message", "field", "help"}
    return {each["field"]: each["message"] for each in response.json()["errors"]}


def test_an_email_is_sent_with_every_field(send, stored, project):
    create_stream(project, name="asm-77", type_=StreamType.TRANSACTIONAL)
    personal = {
        "to": [{"email": "jo@rcpt.test", "name": "Doe, Jo"}],
        "cc": [{"email": "cc@rcpt.test"}],
        "bcc": [{"email": "bcc@rcpt.test"}],
        "headers": {"X-Own": "1"},
        "custom_args": {"order": "7"},
    }
    response = send(
        personalizations=[personal],
        content=[{"type": "text/plain", "value": "Hello."}, {"type": "text/html", "value": "<p>Hello.</p>"}],
        reply_to_list=[{"email": "help@mine.test", "name": "Help"}, {"email": "desk@mine.test"}],
        headers={"X-All": "2"},
        unique_args={"shop": "north"},
        categories=["receipt", "paid"],
        asm={"group_id": 77},
        mail_settings={"footer": {"enable": False}, "sandbox_mode": {"enable": False}},
        tracking_settings={
            "click_tracking": {"enable": True, "enable_text": True},
            "open_tracking": {"enable": True},
            "subscription_tracking": {"enable": True},
            "ganalytics": {"enable": False},
        },
        attachments=[
            {
                "content": b64encode(b"png").decode(),
                "type": "image/png",
                "filename": "a.png",
                "disposition": "inline",
                "content_id": "logo",
            },
            {"content": b64encode(b"text").decode(), "filename": "b.txt", "content_id": "unused"},
        ],
    )
    [email] = stored(response)
    assert (email.tags, email.metadata) == (["receipt", "paid"], {"shop": "north", "order": "7"})
    assert (email.track_opens, email.track_clicks, email.enable_unsubscribe) == (True, True, True)
    assert (dict(email.headers), email.stream) == ({"X-All": "2", "X-Own": "1"}, "asm-77")
    assert email.reply_to[0] == {"name": "Help", "address": "help@mine.test"}
    rows = {(row.address, row.name, row.kind) for row in Recipient.objects.filter(message=email)}
    assert rows == {
        ("jo@rcpt.test", "Doe, Jo", "to"),
        ("cc@rcpt.test", "", "cc"),
        ("bcc@rcpt.test", "", "bcc"),
    }
    files = {(file.filename, file.content_type, file.cid) for file in email.attachments.all()}
    assert files == {("a.png", "image/png", "logo"), ("b.txt", "text/plain", "")}


def test_each_personalization_is_an_email_of_its_own(send, stored):
    personal = [
        {"to": [{"email": f"{name}@rcpt.test"}], "substitutions": {"-name-": name, "-name-s": "them", "-no-": None}}
        for name in ("ann", "bob")
    ]
    personal[1]["subject"] = "For -name-"
    emails = stored(
        send(
            personalizations=personal,
            content=[{"type": "text/html", "value": "<p>-name-, -name-s and -no-name-</p>"}],
            attachments=[{"content": "YQ==", "filename": "a.txt"}],
        )
    )
    assert [email.subject for email in emails] == ["Hi", "For bob"]
    assert [email.content.html for email in emails] == ["<p>ann, them and name-</p>", "<p>bob, them and name-</p>"]
    assert [email.attachments.count() for email in emails] == [1, 1]


def test_a_thousand_recipients_are_stored_at_once_or_not_at_all(send, stored):
    addresses = [f"to{n}@rcpt.test" for n in range(1000)]
    assert len(stored(send(*addresses))) == 1000
    Message.objects.all().delete()
    assert list(list_errors(send(*addresses[:-1], "nobody"))) == ["personalizations.999.to.0"]
    assert list(list_errors(send(*addresses, "more@rcpt.test"))) == ["personalizations"]


def test_a_template_is_filled_in_for_each_recipient(send, stored, project):
    publish_template(
        create_template(project, {"alias": "d-hello", "subject": "Hi {{ name }}", "text": "Dear {{ name }}."})
    )
    personal = [
        {"to": [{"email": "a@rcpt.test"}], "dynamic_template_data": {"name": "Ann"}},
        {"to": [{"email": "b@rcpt.test"}], "substitutions": {"name": "Bob"}},
    ]
    emails = stored(send(personalizations=personal, template_id="d-hello", content=None))
    assert [email.subject for email in emails] == ["Hi Ann", "Hi Bob"]


def test_every_wrong_field_is_named_as_sendgrid_names_it(send):
    personal = [{"to": [{"email": "one@rcpt.test"}]}, {"to": [{"email": "b"}], "cc": [{"email": "c\nd@rcpt.test"}]}]
    errors = list_errors(send(personalizations=personal, subject="a\nb", attachments=None, categories="x"))
    assert set(errors) == {"personalizations.1.to.0", "personalizations.1.cc.0", "subject", "categories"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
        ({"personalizations": ["x"]}, "personalizations.0"),
        ({"personalizations": [{"to": [{"email": "a@rcpt.test"}], "x": 1}]}, "personalizations.0"),
        ({"personalizations": [{"to": [{"email": "a@rcpt.test"}], "substitutions": {"": "x"}}]}, None),
        ({"to": "a@rcpt.test"}, None),
        ({"from": {"email": "A <a@mine.test>"}}, "from.email"),
        ({"from": "a@mine.test"}, "from.email"),
        ({"content": [{"type": "text/calendar", "value": "x"}]}, "content.0.type"),
        ({"attachments": [{"filename": "a", "content": "?"}]}, "attachments.0.content"),
        ({"attachments": [{"filename": "a", "content": "YQ==", "disposition": "x"}]}, "attachments.0.disposition"),
        ({"asm": {"group_id": 5}}, "asm.group_id"),
        ({"ip_pool_name": "fast"}, "ip_pool_name"),
        ({"sections": [":a:"]}, "sections"),
        ({"sections": {":a:": 5}}, "sections.:a:"),
        ({"sections": {":a:": "x" * 1_000_001}}, "sections"),
        ({"batch_id": "x"}, "batch_id"),
        ({"send_at": "soon"}, "send_at"),
        ({"send_at": 5}, "send_at"),
        ({"send_at": 10**14}, "send_at"),
        ({"mail_settings": {"footer": {"enable": True}}}, "mail_settings.footer"),
        ({"mail_settings": {"sandbox_mode": True}}, "mail_settings.sandbox_mode"),
        ({"tracking_settings": {"ganalytics": {"enable": True}}}, "tracking_settings.ganalytics"),
        (
            {"tracking_settings": {"subscription_tracking": {"enable": True, "html": "x"}}},
            "tracking_settings.subscription_tracking.html",
        ),
        ({"reply_to": {"email": "a@mine.test"}, "reply_to_list": [{"email": "b@mine.test"}]}, "reply_to_list"),
        ({"custom_args": {"n": 5}}, "custom_args.n"),
    ],
)
def test_a_wrong_field_is_refused(send, fields, named):
    errors = list_errors(send(**fields))
    assert errors
    if named:
        assert list(errors) == [named]


def test_sections_stand_in_for_the_substitutions_that_name_them(send, stored):
    personal = [
        {"to": [{"email": "a@rcpt.test"}], "substitutions": {"-offer-": "Dear -name-: :gold: -name-", "-name-": "Jo"}},
        {"to": [{"email": "b@rcpt.test"}], "substitutions": {"-offer-": ":plain:", "-name-": "Ann"}},
    ]
    sections = {":gold:": "Gold for -name-", ":plain:": "Plain", ":unused:": "-name-"}
    content = [{"type": "text/plain", "value": "-offer- :gold:"}]
    emails = stored(send(personalizations=personal, content=content, sections=sections))
    assert [email.content.text for email in emails] == ["Dear -name-: Gold for Jo -name- :gold:", "Plain :gold:"]


def test_substitutions_may_not_blow_up_the_content(send):
    personal = [{"to": [{"email": "a@rcpt.test"}], "substitutions": {"a": "b" * 9000}}]
    content = [{"type": "text/html", "value": "a" * 300}]
    errors = list_errors(send(personalizations=personal, content=content))
    assert "after the substitutions" in errors["content"]
    personal[0]["substitutions"] = {"a": "b" * 11_000}
    assert "10,000 bytes" in list_errors(send(personalizations=personal))["personalizations.0.substitutions"]


def test_a_sandboxed_email_is_checked_and_not_stored(send, api):
    sandbox = {"mail_settings": {"sandbox_mode": {"enable": True}}}
    response = send(**sandbox)
    assert (response.status_code, response.content) == (200, b"")
    assert not Message.objects.exists()
    assert "subject" in list_errors(send(subject="", **sandbox))


def test_keys_are_checked(api, anonymous):
    response = anonymous.post(f"{BASE}/v3/mail/send", build_mail())
    assert (response.status_code, list(response.json())) == (401, ["errors"])


def test_a_body_that_is_no_object_is_refused(api):
    assert api.post(f"{BASE}/v3/mail/send", b"{").status_code == 400
    assert api.post(f"{BASE}/v3/mail/send", []).status_code == 400


def test_a_path_that_is_not_served_is_told_in_sendgrids_form(api):
    response = api.post(f"{BASE}/v3/marketing/contacts", {})
    assert (response.status_code, list(response.json())) == (404, ["errors"])


def test_a_repeated_request_with_a_key_is_answered_again(api):
    first, second = (api.post(f"{BASE}/v3/mail/send", build_mail(), Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, second.status_code, second.content) == (202, 202, b"")
    assert first["X-Message-Id"] == second["X-Message-Id"]
    assert Message.objects.count() == 1


def build_backend(api: Any, monkeypatch: pytest.MonkeyPatch) -> EmailBackend:
    lead_requests(monkeypatch)
    return EmailBackend(api_key=api.token, api_url=f"http://testserver{BASE}/v3/")


def test_anymail_sends_by_its_settings_alone(api, monkeypatch):
    backend = build_backend(api, monkeypatch)
    mail = EmailMultiAlternatives("Hi", "Hello.", "Shop <shop@mine.test>", ["Jo <jo@rcpt.test>"], cc=["c@rcpt.test"])
    mail.attach_alternative('<p>Hello. <img src="cid:logo"></p>', "text/html")
    image = MIMEImage(b"GIF89a", "gif")
    image["Content-ID"] = "<logo>"
    image["Content-Disposition"] = 'inline; filename="logo.gif"'
    mail.attach(image)
    mail.attach("a.txt", "text", "text/plain")
    mail.tags, mail.metadata, mail.track_opens = ["receipt"], {"order": "7"}, True
    assert backend.send_messages([mail]) == 1
    email = Message.objects.get()
    assert mail.anymail_status.message_id == email.metadata["anymail_id"]
    assert (email.tags, email.metadata["order"], email.track_opens) == (["receipt"], "7", True)
    assert {(file.filename, file.cid) for file in email.attachments.all()} == {("a.txt", ""), ("logo.gif", "logo")}


def test_anymail_merges_for_each_recipient(api, monkeypatch):
    backend = build_backend(api, monkeypatch)
    mail = EmailMultiAlternatives("Hi *name*", "Dear *name*.", "shop@mine.test", ["a@rcpt.test", "b@rcpt.test"])
    mail.merge_data = {"a@rcpt.test": {"name": "Ann"}, "b@rcpt.test": {"name": "Bob"}}
    mail.merge_metadata = {"a@rcpt.test": {"n": 1}, "b@rcpt.test": {"n": 2}}
    mail.esp_extra = {"merge_field_format": "*{}*"}
    assert backend.send_messages([mail]) == 1
    assert {(email.subject, email.metadata["n"]) for email in Message.objects.all()} == {
        ("Hi Ann", "1"),
        ("Hi Bob", "2"),
    }


def test_anymail_tells_an_error(api, monkeypatch):
    # With a way into the world, a sender needs a verified domain.
    api.post("/providers", {"name": "relay", "url": "smtp://relay.mine.test"})
    backend = build_backend(api, monkeypatch)
    with pytest.raises(AnymailAPIError, match=r'"field": ?"from"') as caught:
        backend.send_messages([EmailMultiAlternatives("Hi", "Hello.", "a@other.test", ["jo@rcpt.test"])])
    assert caught.value.status_code == 403
    assert not Message.objects.exists()
