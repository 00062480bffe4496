"""The number of database queries at acceptance does not grow with the request."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.streams import create_stream
from common.errors import InvalidFieldsError
from common.times import format_time
from domains.services import SenderNotVerifiedError, Senders, add_domain, remove_domain
from ledger import cached_rows
from messages.models import Message, Recipient
from providers.routing import selection
from templates_app.services import create_template, publish_template
from tests.round_trips import counted_statements
from tracking.suppressions.service import Entry, suppress
from webhooks.models import WebhookDelivery
from webhooks.services import add_endpoint, build_endpoint, remove_endpoint, store_endpoint

pytestmark = pytest.mark.django_db


def email(**values: object) -> dict[str, object]:
    return {"from_": "shop@mine.test", "to": "a@x.test", "subject": "Hi", "text": "Hello.", **values}


def count_queries(api: Any, path: str, body: object, **headers: str) -> list[str]:
    """The statements behind a request that was accepted."""
    with counted_statements() as sent:
        posted = api.post(path, body, **headers)
    assert posted.status_code == 202, posted.content
    return sent


def test_fifty_recipients_of_whom_some_are_suppressed_take_one_more_statement(api: Any, project: Any) -> None:
    addresses = [f"User{index}@x.test" for index in range(50)]
    for address in addresses[::10]:
        suppress(project.pk, Entry(address=address.lower(), reason="manual"))
    body = email(to=addresses[:30], cc=addresses[30:40], bcc=addresses[40:])
    asked = [sql for sql in count_queries(api, "/emails", body) if "tracking_suppression" in sql]
    # The first one finds entries that were not expected.
    assert len(asked) == 2
    suppressed = Recipient.objects.filter(status="suppressed").order_by("position")
    assert [row.address for row in suppressed] == addresses[::10]


def test_a_batch_of_one_sender_asks_no_more_than_a_single_email(api: Any, project: Any) -> None:
    template = create_template(project, {"alias": "t", "subject": "{{ n }}", "text": "{{ n }}"})
    publish_template(template)
    items = [{"from_": "shop@mine.test", "to": "a@x.test", "template_id": "t", "template_vars": {"n": n}} for n in "ab"]
    first = count_queries(api, "/emails/batch", items)
    many = count_queries(api, "/emails/batch", items * 50)
    assert len(many) <= len(first)
    assert Message.objects.count() == 102


def test_a_batch_caches_forbidden_senders_too(project: Any) -> None:
    senders = Senders(project, is_local_only=False)
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries, pytest.raises(SenderNotVerifiedError):
            senders.admit("evil.test", None)
    assert not queries
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries, pytest.raises(InvalidFieldsError):
            senders.admit("evil.test", project.pk)
    assert not queries


def test_the_default_sender_is_looked_up_once_for_a_request_and_anew_for_the_next(project: Any) -> None:
    domain = add_domain(project, name="good.test", default_from="hello@good.test")
    pk = domain.pk
    senders = Senders(project, is_local_only=True)
    found = senders.find_default(pk)
    assert found is not None
    assert found.address == "hello@good.test"
    remove_domain(domain)
    assert senders.find_default(pk) == found
    assert Senders(project, is_local_only=True).find_default(pk) is None


@pytest.fixture
def warm(caching: Any, api: Any, project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client whose process has served such requests before."""
    template = create_template(project, {"alias": "t", "subject": "{{ n }}", "text": "{{ n }}"})
    publish_template(template)
    create_stream(project, name="news", type_="broadcast")
    # On a busy machine what was read is old before the request that is counted.
    monkeypatch.setattr(cached_rows, "CHECK_SECONDS", 3600.0)
    monkeypatch.setattr(selection, "FRESH_SECONDS", 3600.0)
    for each in BODIES.values():
        api.post("/emails", each)
    return api


BODIES: dict[str, dict[str, object]] = {
    "plain": email(),
    "of a template": {"from_": "shop@mine.test", "to": "a@x.test", "template_id": "t", "template_vars": {"n": 1}},
    "tracked": email(html='<a href="https://a.test/">x</a>', track_clicks=True, track_opens=True),
    "to fifty": email(to=[f"u{n}@x.test" for n in range(50)]),
    "scheduled": email(scheduled_at=format_time(timezone.now() + timedelta(days=1))),
    "of a stream": email(stream="news"),
    "with files": email(
        attachments=[
            {"filename": f"{n}.txt", "content_type": "text/plain", "content_b64": b64encode(b"%d" % n).decode()}
            for n in range(3)
        ]
    ),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "one"}], ids=["plain", "keyed"])
def test_an_email_is_accepted_in_one_round_trip(warm: Any, name: str, headers: dict[str, str]) -> None:
    assert len(count_queries(warm, "/emails", BODIES[name], **headers)) == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "one"}], ids=["plain", "keyed"])
def test_a_batch_is_accepted_in_one_round_trip(warm: Any, headers: dict[str, str]) -> None:
    assert len(count_queries(warm, "/emails/batch", [*BODIES.values()] * 10, **headers)) == 1
    assert Recipient.objects.count() == 56 * 11


def test_a_webhook_endpoint_takes_a_further_round_trip_once(warm: Any, project: Any) -> None:
    endpoint = add_endpoint(project, url="https://hooks.example.com/", events=["*"])
    for count in (2, 1, 1):
        assert len(count_queries(warm, "/emails", BODIES["plain"])) == count
    assert WebhookDelivery.objects.count() == 3
    remove_endpoint(endpoint)
    for _ in range(3):
        assert len(count_queries(warm, "/emails", BODIES["plain"])) == 1


def test_live_mail_is_not_for_an_endpoint_of_test_mail(warm: Any, project: Any) -> None:
    store_endpoint(build_endpoint(project, url="https://hooks.example.com/", events=["*"], is_test=True))
    assert len(count_queries(warm, "/emails", BODIES["plain"])) == 1
    assert not WebhookDelivery.objects.exists()


def test_a_replay_takes_two_round_trips(warm: Any) -> None:
    for count in (1, 2):
        assert len(count_queries(warm, "/emails", BODIES["plain"], Idempotency_Key="one")) == count
