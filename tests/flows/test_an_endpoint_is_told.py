"""From an email's POST to its events at an endpoint, by a real worker; and the leases of a killed worker."""

import json
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
import standardwebhooks

from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tests.feed_settling import settle
from tests.smtp_server import SmtpServer
from tests.webhooks.receiver import Answer, Receiver, run_receiver
from webhooks.models import WebhookDelivery

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow("starts, kills and restarts programs"),
]
EMAIL = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    with run_receiver() as server:
        yield server


@pytest.fixture
def secret(api: Any, receiver: Receiver) -> str:
    answer = api.post("/webhooks", {"url": receiver.url, "events": ["*"]})
    return str(answer.json()["secret"])


def read(secret: str, receiver: Receiver) -> list[dict[str, Any]]:
    return [standardwebhooks.Webhook(secret).verify(each.body, dict(each.headers)) for each in receiver.requests]


def test_the_timeline_has_every_event_of_an_email(api, receiver, secret, start_worker, wait_until):
    routes.forget()
    with SmtpServer() as server:
        sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
        start_worker()
        email_id = api.post("/emails", EMAIL).json()["id"]
        wait_until(lambda: len(receiver.requests) == 2)
    told = sorted(read(secret, receiver), key=lambda payload: payload["data"]["seq"])
    assert [(each["type"], each["data"]["seq"]) for each in told] == [("email.queued", 1), ("email.delivered", 2)]
    assert {each["data"]["email_id"] for each in told} == {email_id}
    assert (told[1]["data"]["recipient"], told[1]["data"]["status"]) == ("one@rcpt.test", "delivered")
    wait_until(lambda: {row.status for row in WebhookDelivery.objects.all()} == {"delivered"})
    settle()
    feed = {event["id"] for event in api.get("/events").json()["data"]}
    assert {each.headers["webhook-id"] for each in receiver.requests} == feed


def test_the_next_worker_posts_a_killed_workers_deliveries(api, receiver, secret, start_worker, wait_until):
    receiver.answers = [Answer(delay=20), Answer()]
    first = start_worker()
    api.post("/emails", EMAIL)
    wait_until(lambda: receiver.requests)
    first.kill()
    start_worker()
    wait_until(lambda: WebhookDelivery.objects.filter(status="delivered").exists(), 20)
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1
    assert json.loads(receiver.requests[0].body) == json.loads(receiver.requests[-1].body)
