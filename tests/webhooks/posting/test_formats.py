"""Posts in other services' forms, as django-anymail's own tracking views read them."""

import json
import warnings
from typing import Any
from uuid import UUID

import pytest
from anymail.exceptions import AnymailWarning, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, tracking
from django.http import HttpResponse
from django.test import RequestFactory

from accounts.models import Project
from messages.models import Message
from tests.webhooks.receiver import Receiver, Request
from tracking.models import EventType
from webhooks.formats.catalog import SHAPES, list_types
from webhooks.models import Endpoint, Format, WebhookDelivery
from webhooks.services import EndpointChange, add_endpoint, change_endpoint, rotate_secret, send_test

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from anymail.webhooks.postmark import PostmarkTrackingWebhookView
    from anymail.webhooks.resend import ResendTrackingWebhookView
    from anymail.webhooks.sendgrid import SendGridTrackingWebhookView

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailWarning"),
]
VIEWS: dict[str, Any] = {
    Format.RESEND: ResendTrackingWebhookView,
    Format.POSTMARK: PostmarkTrackingWebhookView,
    Format.SENDGRID: SendGridTrackingWebhookView,
}
BOUNCE = {"code": 550, "enhanced_code": "5.1.1", "reply": "5.1.1 no such user", "reason": "no_such_user"}
VISIT = {"user_agent": "Mail/1", "ip": "192.0.2.1"}


@pytest.fixture
def message(api: Any) -> Message:
    body = {"from": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}
    answer = api.post("/emails", body | {"tags": ["receipt", "paid"], "metadata": {"order": "7"}})
    return Message.objects.get(pk=answer.json()["id"])


@pytest.fixture
def told(project: Project, receiver: Receiver, message: Message, happen: Any, post: Any) -> Any:
    """An event in a format: what anymail reads of it."""

    def tell(format_: str, type_: EventType, **data: object) -> AnymailTrackingEvent:
        endpoint = add_endpoint(project, url=receiver.url, events=["*"], format_=format_)
        happen(type_, message=message.pk, **data)
        post()
        return read(endpoint, receiver.requests[-1])

    return tell


def read(endpoint: Endpoint, request: Request) -> AnymailTrackingEvent:
    """The one event that anymail's view reads out of a post."""
    found: list[AnymailTrackingEvent] = []

    def keep(event: AnymailTrackingEvent, **_: Any) -> None:
        found.append(event)

    tracking.connect(keep)
    try:
        assert answer(endpoint, request).status_code == 200
    finally:
        tracking.disconnect(keep)
    [event] = found
    return event


def answer(endpoint: Endpoint, request: Request, public_key: str | None = None) -> HttpResponse:
    key = {"tracking_webhook_verification_key": public_key or endpoint.public_key}
    options = key if endpoint.format == Format.SENDGRID else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnymailWarning)
        view = VIEWS[endpoint.format].as_view(**options)
    headers = {name: value for name, value in request.headers.items() if name.lower().startswith(("svix", "x-twilio"))}
    sent = RequestFactory().post("/hook", request.body, content_type="application/json", headers=headers)
    response: HttpResponse = view(sent)
    return response


@pytest.mark.parametrize("format_", [Format.RESEND, Format.POSTMARK, Format.SENDGRID])
@pytest.mark.parametrize(
    ("type_", "data", "expected"),
    [
        (EventType.DELIVERED, {"reply": "2.0.0 OK"}, "delivered"),
        (EventType.DELIVERING, {"reply": "4.2.2 full", "attempt": 1}, "deferred"),
        (EventType.BOUNCED, BOUNCE, "bounced"),
        (EventType.COMPLAINED, {}, "complained"),
        (EventType.OPENED, VISIT, "opened"),
        (EventType.CLICKED, {**VISIT, "url": "https://mine.test/a"}, "clicked"),
    ],
)
def test_anymail_reads_an_event_in_each_format(told, message, format_, type_, data, expected):
    event = told(format_, type_, **data)
    assert (event.event_type, event.recipient) == (expected, "one@rcpt.test")
    assert event.tags == (["receipt"] if format_ == Format.POSTMARK else ["receipt", "paid"])
    assert event.metadata == {"order": "7"}
    if format_ != Format.SENDGRID:
        assert event.message_id == str(message.pk)
    assert event.timestamp is not None
    if type_ == EventType.CLICKED:
        assert (event.click_url, event.user_agent) == ("https://mine.test/a", "Mail/1")
    if type_ == EventType.BOUNCED:
        assert "no such user" in str(event.mta_response or event.description)


@pytest.mark.parametrize(
    ("format_", "type_", "data", "expected"),
    [
        (Format.RESEND, EventType.SENT, {}, "sent"),
        (Format.SENDGRID, EventType.SENT, {}, "queued"),
        (Format.SENDGRID, EventType.FAILED, {"reason": "expired"}, "rejected"),
        (Format.SENDGRID, EventType.SUPPRESSED, {"reason": "bounce"}, "rejected"),
        (Format.SENDGRID, EventType.UNSUBSCRIBED, {}, "unsubscribed"),
        (Format.POSTMARK, EventType.UNSUBSCRIBED, {}, "unsubscribed"),
    ],
)
def test_anymail_reads_what_single_formats_have(told, format_, type_, data, expected):
    assert told(format_, type_, **data).event_type == expected


def test_resends_form_has_the_email_itself(told, receiver):
    told(Format.RESEND, EventType.SENT)
    body = json.loads(receiver.requests[-1].body)
    assert body["type"] == "email.sent"
    assert (body["data"]["from"], body["data"]["subject"]) == ("shop@mine.test", "Hi")
    assert body["data"]["to"] == ["one@rcpt.test"]


def test_sendgrids_signature_is_verified_by_the_public_key(told, receiver, project):
    told(Format.SENDGRID, EventType.DELIVERED)
    endpoint = project.endpoints.get()
    foreign = add_endpoint(project, url=receiver.url, events=["*"], format_=Format.SENDGRID)
    assert answer(endpoint, receiver.requests[-1]).status_code == 200
    with pytest.raises(AnymailWebhookValidationFailure):
        answer(endpoint, receiver.requests[-1], foreign.public_key)


def test_a_new_secret_is_a_new_public_key(project, receiver):
    endpoint = add_endpoint(project, url=receiver.url, events=["*"], format_=Format.SENDGRID)
    assert rotate_secret(endpoint).public_key not in {"", endpoint.public_key}


def test_an_event_of_a_removed_email_is_told_too(told, happen, post, receiver):
    told(Format.RESEND, EventType.DELIVERED)
    happen(EventType.DELIVERED, message=UUID(int=5))
    post()
    assert json.loads(receiver.requests[-1].body)["data"]["subject"] == ""


@pytest.mark.parametrize("format_", SHAPES)
def test_a_test_event_is_told_in_each_format(project, receiver, post, format_):
    send_test(add_endpoint(project, url=receiver.url, events=["*"], format_=format_))
    post()
    assert WebhookDelivery.objects.get().status == "delivered"
    assert b"webhook.test" in receiver.requests[-1].body


def test_the_api_has_the_format_and_the_public_key(api):
    body = {"url": "https://93.184.215.14/hook", "events": ["*"]}
    plain = api.post("/webhooks", body).json()
    assert (plain["format"], plain["public_key"], plain["events"]) == ("standard", None, ["*"])
    made = api.post("/webhooks", body | {"format": "sendgrid"}).json()
    assert made["events"] == list_types(Format.SENDGRID)
    shown = api.get(f"/webhooks/{made['id']}").json()
    assert shown["public_key"] == made["public_key"]
    assert len(made["public_key"]) > 100
    changed = api.patch(f"/webhooks/{made['id']}", {"format": "standard"}).json()
    assert (changed["format"], changed["public_key"]) == ("standard", None)


def test_an_event_that_a_format_does_not_have_is_refused(api):
    body = {"url": "https://93.184.215.14/hook", "events": ["email.opened", "email.queued"]}
    made = api.post("/webhooks", body).json()
    for response in (
        api.post("/webhooks", body | {"format": "resend"}),
        api.patch(f"/webhooks/{made['id']}", {"format": "resend"}),
    ):
        assert (response.status_code, response.json()["code"]) == (422, "event_not_in_format")
        assert response.json()["errors"][0]["field"] == "events[1]"
    assert api.post("/webhooks", body | {"format": "mailgun"}).status_code == 422


def test_a_format_may_change_while_posts_wait(project, receiver, happen, message, post):
    endpoint = add_endpoint(project, url=receiver.url, events=["*"])
    happen(EventType.DELIVERED, message=message.pk)
    change_endpoint(endpoint, EndpointChange(format=Format.POSTMARK))
    post()
    assert json.loads(receiver.requests[-1].body)["RecordType"] == "Delivery"
