"""Webhook deliveries from event to endpoint: written, posted, retried, given up."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from uuid import UUID, uuid4

import pytest
import standardwebhooks
from django.db import transaction
from django.utils import timezone

from accounts.models import Notice, Project, Retention
from accounts.services import create_project
from tests.round_trips import counted_statements
from tests.webhooks.receiver import Answer, Receiver, run_receiver
from tracking.models import Event, EventType
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, RetiredSecret, WebhookDelivery
from webhooks.posting.claims import LOST, claim_deliveries, sweep_lost_leases
from webhooks.posting.http_client import PostOutcome
from webhooks.posting.outcomes import PostResult, record_posts
from webhooks.retention import purge
from webhooks.services import (
    MAX_RETIRED_SECRETS,
    EndpointChange,
    ReplayFilter,
    TooManySecretsError,
    add_endpoint,
    change_endpoint,
    remove_endpoint,
    replay_one,
    replay_selected,
    rotate_secret,
    send_test,
)
from webhooks.tasks import tick

pytestmark = pytest.mark.django_db
Happen = Callable[..., UUID]
Post = Callable[..., None]
LONG_AGO = timezone.now() - timedelta(days=365)


def delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def test_an_event_is_posted_signed(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post):
    message = happen(EventType.BOUNCED, code=550, reply="Grüße")
    post()
    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/json"
    payload = standardwebhooks.Webhook(str(endpoint.secret)).verify(request.body, dict(request.headers))
    event = Event.objects.get()
    assert request.headers["webhook-id"] == request.headers["svix-id"] == str(event.pk)
    assert payload["type"] == "email.bounced"
    assert payload["timestamp"] == f"{event.occurred_at:%Y-%m-%dT%H:%M:%S.%f}Z"
    data = payload["data"]
    assert (data["email_id"], data["recipient"], data["seq"]) == (str(message), "one@rcpt.test", 1)
    assert (data["code"], data["reply"], data["test"]) == (550, "Grüße", False)
    row = delivery()
    assert (row.status, row.attempt_count, row.next_attempt_at, row.lease_token) == ("delivered", 1, None, None)
    assert row.finished_at is not None
    (attempt,) = row.attempts
    assert (attempt["status"], attempt["response"], attempt["error"]) == (200, "ok", "")
    assert attempt["at"].endswith("Z")
    assert attempt["duration_ms"] >= 0


def test_events_of_one_email_are_numbered_in_order(endpoint: Endpoint, happen: Happen):
    message = happen(EventType.QUEUED)
    happen(EventType.SENT, EventType.DELIVERED, message=message)
    happen(EventType.OPENED)
    happen(EventType.OPENED, message=message)
    numbers = {
        (row.type, data["email_id"] == str(message)): data["seq"]
        for row in WebhookDelivery.objects.all()
        for data in [json.loads(row.payload)["data"]]
    }
    assert numbers == {
        ("email.queued", True): 1,
        ("email.sent", True): 2,
        ("email.delivered", True): 3,
        ("email.opened", False): 1,
        ("email.opened", True): 4,
    }


def test_an_email_shows_its_tags_and_the_role_of_each_recipient(api, endpoint: Endpoint):
    api.post(
        "/emails",
        {
            "from_": "shop@mine.test",
            "to": "one@rcpt.test",
            "subject": "s",
            "text": "t",
            "tags": ["welcome"],
            "metadata": {"order": "12"},
        },
    )
    data = json.loads(delivery().payload)["data"]
    assert (data["status"], data["email_status"], data["recipient"]) == ("queued", "queued", None)
    assert (data["tags"], data["metadata"]) == (["welcome"], {"order": "12"})


def test_an_endpoint_gets_its_subscribed_events(project: Project, receiver: Receiver, happen: Happen):
    add_endpoint(project, url=receiver.url, events=["email.bounced", "email.failed"])
    happen(EventType.SENT, EventType.BOUNCED)
    assert [row.type for row in WebhookDelivery.objects.all()] == ["email.bounced"]


def test_another_projects_endpoint_hears_nothing(endpoint: Endpoint, happen: Happen):
    happen(of=create_project(name="rival"))
    assert not WebhookDelivery.objects.exists()


def test_what_is_rolled_back_is_not_told(endpoint: Endpoint, happen: Happen):
    with transaction.atomic():
        happen()
        transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()


def test_a_failed_post_is_tried_again_with_the_same_id_and_body(
    endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post
):
    receiver.answers = [Answer(500, body=b"oh"), Answer(404), Answer(200)]
    happen()
    post()
    row = delivery()
    assert (row.status, row.attempts_left, row.attempts[0]["status"], row.attempts[0]["response"]) == (
        "pending",
        9,
        500,
        "oh",
    )
    wait = row.next_attempt_at - timezone.now()
    assert timedelta(seconds=0) < wait < timedelta(seconds=7)
    post(is_later=True)
    wait = delivery().next_attempt_at - timezone.now()
    assert timedelta(minutes=3) < wait < timedelta(minutes=7)
    post(is_later=True)
    assert delivery().status == DeliveryStatus.DELIVERED
    assert [attempt["status"] for attempt in delivery().attempts] == [500, 404, 200]
    assert len({(each.headers["webhook-id"], each.body) for each in receiver.requests}) == 1


def test_after_ten_tries_it_has_failed(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post, settings):
    receiver.answers = [Answer(503)]
    happen()
    waits = []
    for _ in range(10):
        post(is_later=True)
        if delivery().next_attempt_at:
            waits.append((delivery().next_attempt_at - timezone.now()) / timedelta(seconds=1))
    assert delivery().status == DeliveryStatus.FAILED
    assert len(receiver.requests) == 10
    for wait, planned in zip(waits, settings.WEBHOOK_WAITS, strict=True):
        assert 0.7 * planned.total_seconds() < wait + 2 < 1.3 * planned.total_seconds() + 2
    post(is_later=True)
    assert len(receiver.requests) == 10


def test_who_asks_for_time_is_given_it(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post):
    receiver.answers = [Answer(429, {"Retry-After": "3600"})]
    happen()
    post()
    assert delivery().next_attempt_at - timezone.now() > timedelta(minutes=55)


def test_an_endpoint_that_is_down_is_tried_again(project: Project, happen: Happen, post: Post):
    with run_receiver() as gone:
        url = gone.url
    endpoint = add_endpoint(project, url=url, events=["*"])
    happen()
    post()
    assert delivery().status == DeliveryStatus.PENDING
    assert "refused" in delivery().attempts[0]["error"]
    endpoint.refresh_from_db()
    assert endpoint.failing_since is not None


def test_410_disables_at_once_and_says_so(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post):
    receiver.answers = [Answer(HTTPStatus.GONE)]
    happen()
    post()
    happen()
    endpoint.refresh_from_db()
    assert endpoint.status == EndpointStatus.DISABLED
    assert "410" in endpoint.disabled_reason
    assert delivery().status == DeliveryStatus.FAILED
    notice = Notice.objects.get(project=endpoint.project)
    assert notice.kind == "webhook_disabled"
    assert endpoint.url in notice.text
    assert notice.data["endpoint_id"] == str(endpoint.pk)


def test_five_days_of_failures_disable_and_fail_pending_deliveries(
    endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post
):
    receiver.answers = [Answer(500)]
    happen()
    post()
    Endpoint.objects.update(failing_since=timezone.now() - timedelta(days=4))
    post(is_later=True)
    assert Endpoint.objects.get().status == EndpointStatus.ENABLED
    Endpoint.objects.update(failing_since=timezone.now() - timedelta(days=5, minutes=1))
    happen()
    post()
    assert Endpoint.objects.get().status == EndpointStatus.DISABLED
    assert {row.status for row in WebhookDelivery.objects.all()} == {"failed"}
    assert Notice.objects.count() == 1


def test_one_success_ends_the_failing(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post):
    receiver.answers = [Answer(500), Answer(200)]
    happen()
    post()
    assert Endpoint.objects.get().failing_since is not None
    post(is_later=True)
    assert Endpoint.objects.get().failing_since is None


def test_a_host_that_leads_inside_ends_as_failed(endpoint: Endpoint, receiver: Receiver, happen, post, settings):
    happen()
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    post()
    assert delivery().status == DeliveryStatus.FAILED
    assert delivery().attempts[0]["error"] == "127.0.0.1 is not at a public address."
    assert receiver.connection_count == 0


def test_a_url_that_is_not_admitted_any_more_ends_as_failed(endpoint: Endpoint, happen: Happen, post: Post):
    Endpoint.objects.update(url="http://2130706433/")
    happen()
    post()
    assert delivery().status == DeliveryStatus.FAILED
    assert "four decimal numbers" in delivery().attempts[0]["error"]


def test_each_secret_signs_for_a_day_after_it_was_replaced(
    endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post
):
    oldest = str(endpoint.secret)
    old = str(rotate_secret(endpoint).secret)
    new = str(rotate_secret(endpoint).secret)
    assert len({oldest, old, new}) == 3
    happen()
    post()
    RetiredSecret.objects.update(until=timezone.now() - timedelta(seconds=1))
    happen()
    post()
    first, second = receiver.requests
    for secret in (oldest, old, new):
        standardwebhooks.Webhook(secret).verify(first.body, dict(first.headers))
    standardwebhooks.Webhook(new).verify(second.body, dict(second.headers))
    for secret in (oldest, old):
        with pytest.raises(standardwebhooks.webhooks.WebhookVerificationError):
            standardwebhooks.Webhook(secret).verify(second.body, dict(second.headers))


def test_a_secret_is_not_replaced_without_end(endpoint: Endpoint):
    for _ in range(MAX_RETIRED_SECRETS):
        rotate_secret(endpoint)
    with pytest.raises(TooManySecretsError):
        rotate_secret(endpoint)
    RetiredSecret.objects.update(until=timezone.now())
    assert rotate_secret(endpoint).retired_secrets.count() == 1


def test_a_test_event_ignores_the_subscription_and_is_posted_once(project: Project, receiver: Receiver, post: Post):
    receiver.answers = [Answer(500)]
    endpoint = add_endpoint(project, url=receiver.url, events=["email.bounced"])
    send_test(endpoint)
    post()
    assert json.loads(receiver.requests[0].body)["type"] == "webhook.test"
    assert (delivery().status, delivery().attempt_count) == ("failed", 1)


def test_one_delivery_is_replayed_under_its_old_id(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post):
    happen()
    post()
    assert replay_one(endpoint, delivery().pk) == 1
    assert replay_one(endpoint, delivery().pk) == 1
    post()
    assert delivery().status == DeliveryStatus.DELIVERED
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len(receiver.requests) == 2


def test_all_that_failed_is_replayed_and_the_rest_is_not(
    endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post
):
    for type_ in (EventType.SENT, EventType.BOUNCED, EventType.DELIVERED):
        happen(type_)
    WebhookDelivery.objects.exclude(type="email.delivered").update(status="failed", next_attempt_at=None)
    post()
    assert len(receiver.requests) == 1
    assert replay_selected(endpoint, ReplayFilter(since=timezone.now() + timedelta(minutes=1))) == 0
    assert replay_selected(endpoint, ReplayFilter(since=LONG_AGO, until=LONG_AGO + timedelta(days=1))) == 0
    assert replay_selected(endpoint, ReplayFilter(since=LONG_AGO, types=["email.bounced"])) == 1
    post()
    assert replay_selected(endpoint, ReplayFilter(since=LONG_AGO)) == 1
    post()
    assert [json.loads(request.body)["type"] for request in receiver.requests] == [
        "email.delivered",
        "email.bounced",
        "email.sent",
    ]
    assert replay_selected(endpoint, ReplayFilter(since=LONG_AGO, status=None)) == 3


def test_a_replay_starts_the_schedule_anew(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post):
    receiver.answers = [Answer(500)]
    happen()
    for _ in range(10):
        post(is_later=True)
    replay_one(endpoint, delivery().pk)
    post()
    row = delivery()
    assert (row.status, row.attempt_count, row.attempts_left, len(row.attempts)) == ("pending", 11, 9, 11)


def test_the_log_of_tries_does_not_grow_for_ever(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post):
    happen()
    for _ in range(25):
        post()
        replay_one(endpoint, delivery().pk)
    assert (len(delivery().attempts), delivery().attempt_count) == (20, 25)


def test_a_disabled_endpoint_gets_no_posts_until_it_is_enabled(
    endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post
):
    happen()
    change_endpoint(endpoint, EndpointChange(status=EndpointStatus.DISABLED))
    happen()
    post()
    assert receiver.requests == []
    assert delivery().status == DeliveryStatus.FAILED
    assert not Notice.objects.exists()
    change_endpoint(endpoint, EndpointChange(status=EndpointStatus.ENABLED))
    assert replay_selected(endpoint, ReplayFilter(since=LONG_AGO)) == 1
    post()
    assert len(receiver.requests) == 1


def test_what_was_written_while_its_endpoint_was_disabled_fails_and_can_be_replayed(
    endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post
):
    happen(EventType.DELIVERED)
    waiting = delivery().pk
    # As a transaction leaves it that saw the endpoint enabled and committed after the end of that.
    Endpoint.objects.update(status=EndpointStatus.DISABLED)
    tick()
    row = delivery()
    assert (row.status, row.next_attempt_at) == (DeliveryStatus.FAILED, None)
    assert row.finished_at is not None
    endpoint.refresh_from_db()
    change_endpoint(endpoint, EndpointChange(status=EndpointStatus.ENABLED))
    endpoint.refresh_from_db()
    assert replay_selected(endpoint, ReplayFilter(since=LONG_AGO)) == 1
    post()
    assert [request.headers["webhook-id"] for request in receiver.requests] == [str(row.event_id)]
    assert delivery().pk == waiting


def test_the_tick_leaves_what_waits_for_an_enabled_endpoint(endpoint: Endpoint, happen: Happen):
    happen(EventType.DELIVERED)
    tick()
    assert (delivery().status, delivery().next_attempt_at is None) == (DeliveryStatus.PENDING, False)


def test_pending_deliveries_go_to_the_new_url(endpoint: Endpoint, receiver: Receiver, happen: Happen, post: Post):
    happen()
    with run_receiver() as other:
        change_endpoint(endpoint, EndpointChange(url=other.url))
        post()
        assert len(other.requests) == 1
    assert receiver.requests == []


def test_a_removed_endpoint_takes_its_log_along(endpoint: Endpoint, happen: Happen, post: Post):
    happen()
    remove_endpoint(endpoint)
    post()
    assert not WebhookDelivery.objects.exists()


def test_a_removal_locks_the_endpoint_before_its_log(endpoint: Endpoint, happen: Happen):
    """As posts that are being recorded do: in the other order each would wait for the other, and one would fail."""
    happen()
    with counted_statements() as sent:
        remove_endpoint(endpoint)
    locks = next(index for index, sql in enumerate(sent) if 'FROM "webhooks_endpoint"' in sql and "FOR UPDATE" in sql)
    assert all(index > locks for index, sql in enumerate(sent) if sql.startswith("DELETE"))


def answered(pk: UUID, **values: object) -> PostOutcome:
    return PostOutcome(id=pk, **{"status": 200, **values})


def test_a_claimed_row_is_not_claimed_again(endpoint: Endpoint, happen: Happen):
    happen()
    assert len(claim_deliveries(10)) == 1
    assert claim_deliveries(10) == []


def test_a_worker_that_lost_its_lease_cannot_write(endpoint: Endpoint, happen: Happen):
    happen()
    (old,) = claim_deliveries(10)
    WebhookDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sweep_lost_leases() == 1
    (new,) = claim_deliveries(10)
    assert record_posts([PostResult(claim=old, answered=answered(old.delivery_id))]) == set()
    assert delivery().status == DeliveryStatus.PENDING
    assert record_posts([PostResult(claim=new, answered=answered(new.delivery_id))]) == {new.delivery_id}
    assert [attempt["error"] for attempt in delivery().attempts] == [LOST, ""]


def test_a_delivery_that_kills_its_worker_ten_times_has_failed(endpoint: Endpoint, happen: Happen):
    happen()
    for _ in range(10):
        assert len(claim_deliveries(10)) == 1
        WebhookDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert sweep_lost_leases() == 1
    assert delivery().status == DeliveryStatus.FAILED
    assert claim_deliveries(10) == []


def test_an_endpoint_has_so_many_places_and_one_while_it_fails(endpoint: Endpoint, happen: Happen, settings):
    settings.WEBHOOK_CONNECTIONS = 3
    for _ in range(5):
        happen()
    assert len(claim_deliveries(100)) == 3
    assert claim_deliveries(100) == []
    WebhookDelivery.objects.update(lease_token=None, lease_until=None)
    Endpoint.objects.update(failing_since=timezone.now())
    assert len(claim_deliveries(100)) == 1
    assert claim_deliveries(100) == []


def test_a_heap_for_a_dead_endpoint_leaves_room_for_the_others(endpoint: Endpoint, project: Project, happen, settings):
    settings.WEBHOOK_CONNECTIONS = 3
    for _ in range(20):
        happen()
    quick = add_endpoint(project, url="http://127.0.0.1:9/quick", events=["*"])
    happen()
    taken = claim_deliveries(100)
    assert [each.endpoint_id for each in taken].count(quick.pk) == 1
    assert len(taken) == 4


def test_a_project_has_so_many_places_and_others_have_theirs(
    endpoint: Endpoint, project: Project, other_project: Project, happen, settings
):
    settings.WEBHOOK_CONNECTIONS, settings.WEBHOOK_PROJECT_CONNECTIONS = 10, 4
    second = add_endpoint(project, url="http://127.0.0.1:9/second", events=["*"])
    theirs = add_endpoint(other_project, url="http://127.0.0.1:9/theirs", events=["*"])
    for _ in range(8):
        happen()
    happen(of=other_project)
    taken = [each.endpoint_id for each in claim_deliveries(100)]
    # Its endpoints share the project's places.
    assert Counter(taken) == {endpoint.pk: 2, second.pk: 2, theirs.pk: 1}
    assert claim_deliveries(100) == []
    WebhookDelivery.objects.update(lease_token=None, lease_until=None)
    # With little room, projects take turns.
    assert theirs.pk in {each.endpoint_id for each in claim_deliveries(2)}


def test_old_posts_are_forgotten_and_work_is_not(endpoint: Endpoint, happen: Happen, monkeypatch):
    for _ in range(3):
        happen()
    first, second, third = WebhookDelivery.objects.order_by("id")
    WebhookDelivery.objects.filter(pk=first.pk).update(status="delivered", next_attempt_at=None)
    WebhookDelivery.objects.filter(pk=second.pk).update(endpoint_id=uuid4())
    assert purge() == 0
    Retention.objects.create(project=endpoint.project, webhook_log=0)
    monkeypatch.setattr("webhooks.retention.database_time", lambda: timezone.now() + timedelta(seconds=1))
    assert purge() == 2
    assert delivery().pk == third.pk


@pytest.mark.slow("waits for a slow endpoint")
def test_a_slow_endpoint_does_not_hold_up_a_quick_one(project: Project, receiver: Receiver, happen, post, settings):
    settings.WEBHOOK_TIMEOUT = timedelta(seconds=60)
    with run_receiver() as slow:
        slow.answers = [Answer(delay=8), Answer(delay=0)]
        add_endpoint(project, url=slow.url, events=["*"])
        settings.WEBHOOK_CONNECTIONS = 1
        add_endpoint(project, url=receiver.url, events=["*"])
        for _ in range(30):
            happen()
        post()
        assert len(slow.requests) == len(receiver.requests) == 30
        # One place each: while the slow one kept its first post waiting, the quick one had all of its.
        assert receiver.requests[-1].at < slow.requests[1].at
