"""The check of webhook posts, and Django's view for them."""

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest
import standardwebhooks
from django.test import RequestFactory
from emailsvc_client import InvalidSignatureError, Webhook
from emailsvc_client.django import event_received
from emailsvc_client.django.views import receive_event
from emailsvc_client.testing.fixtures import SECRET

OTHER = "whsec_" + base64.b64encode(b"another secret").decode()
Make = Callable[..., tuple[bytes, dict[str, str]]]


def test_a_post_of_the_service_is_read(emailsvc_webhook: Make) -> None:
    body, headers = emailsvc_webhook("email.bounced", recipient="jo@rcpt.test")
    standardwebhooks.Webhook(SECRET).verify(body, headers)
    for given in (headers, {name.replace("webhook-", "Svix-"): value for name, value in headers.items()}):
        event = Webhook([OTHER, SECRET]).verify(body, given)
        assert (event["type"], event["data"]["recipient"]) == ("email.bounced", "jo@rcpt.test")


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "another"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,ä"},
        {"webhook-signature": "v2,AAAA"},
    ],
)
def test_any_other_post_is_refused(emailsvc_webhook: Make, change: dict[str, str]) -> None:
    body, headers = emailsvc_webhook("email.sent")
    with pytest.raises(InvalidSignatureError):
        Webhook(SECRET).verify(body, {**headers, **change})


def test_other_bodies_secrets_and_times_are_refused(emailsvc_webhook: Make) -> None:
    body, headers = emailsvc_webhook("email.sent")
    for webhook, given in (
        (Webhook(SECRET), body + b" "),
        (Webhook(OTHER), body),
        (Webhook(SECRET, clock=lambda: time.time() + 301), body),
    ):
        with pytest.raises(InvalidSignatureError):
            webhook.verify(given, headers)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_ä", "whsec_a", []])
def test_what_is_no_secret_is_refused(secret: Any) -> None:
    with pytest.raises(ValueError, match="secret"):
        Webhook(secret)


def test_the_view_sends_a_signal_for_a_genuine_post_only(emailsvc_webhook: Make, settings: Any) -> None:
    settings.EMAILSVC_WEBHOOK_SECRET = [OTHER, SECRET]
    events: list[Any] = []

    def receive(event: Any, event_type: str, event_id: str, **_: Any) -> None:
        events.append((event["data"]["recipient"], event_type, event_id))

    event_received.connect(receive)
    body, headers = emailsvc_webhook("email.opened", recipient="jo@rcpt.test")

    def post(given: bytes) -> int:
        request = RequestFactory().post("/", given, content_type="application/json", headers=headers)
        return receive_event(request).status_code

    assert (post(body), post(b"{}")) == (204, 400)
    event_received.disconnect(receive)
    assert events == [("jo@rcpt.test", "email.opened", headers["webhook-id"])]
    assert receive_event(RequestFactory().get("/")).status_code == 405
