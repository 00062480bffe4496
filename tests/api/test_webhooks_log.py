"""`/api/v1/webhooks/{id}/deliveries`, `/test` and `/replay`."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from common.times import format_time
from tracking.events import Fact, record_facts
from tracking.models import Event, EventType
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
SOME_ID = "0193f3a0-0000-7000-8000-000000000000"
TRY = {"at": "2030-01-01T00:00:00Z", "duration_ms": 12, "status": 500, "error": "", "response": "oh"}


@pytest.fixture
def path(api) -> str:
    answer = api.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]})
    return f"/webhooks/{answer.json()['id']}"


def happen(project, *types):
    with transaction.atomic():
        record_facts([Fact(project_id=project.pk, message_id=uuid4(), type=type_) for type_ in types])


def fail_all():
    WebhookDelivery.objects.update(
        status="failed", next_attempt_at=None, attempt_count=10, attempts=[TRY], finished_at=timezone.now()
    )


def test_the_log_shows_each_post_and_its_result(api, path, project):
    happen(project, EventType.BOUNCED)
    (waiting,) = api.get(f"{path}/deliveries").json()["data"]
    assert (waiting["status"], waiting["attempts"], waiting["response_status"]) == ("pending", [], None)
    assert waiting["next_attempt_at"].endswith("Z")
    fail_all()
    (row,) = api.get(f"{path}/deliveries").json()["data"]
    assert (row["type"], row["status"], row["attempt_count"], row["response_status"]) == (
        *("email.bounced", "failed", 10, 500),
    )
    assert row["attempts"] == [TRY]
    assert row["next_attempt_at"] is None
    assert row["event_id"] == str(Event.objects.get().pk)
    assert row["payload"]["type"] == "email.bounced"
    assert row["payload"]["data"]["email_id"] == str(Event.objects.get().message_id)


def test_the_log_is_the_newest_first_and_narrowed(api, path, project):
    happen(project, EventType.SENT, EventType.BOUNCED, EventType.OPENED)
    page = api.get(f"{path}/deliveries?limit=2").json()
    assert [row["type"] for row in page["data"]] == ["email.opened", "email.bounced"]
    rest = api.get(f"{path}/deliveries?limit=2&after={page['next']}").json()
    assert ([row["type"] for row in rest["data"]], rest["next"]) == (["email.sent"], None)
    event = Event.objects.get(type="email.sent")
    for query in ("type=email.sent", f"event_id={event.pk}"):
        assert [row["type"] for row in api.get(f"{path}/deliveries?{query}").json()["data"]] == ["email.sent"]
    assert api.get(f"{path}/deliveries?status=failed").json()["data"] == []
    assert len(api.get(f"{path}/deliveries?status=pending").json()["data"]) == 3


@pytest.mark.parametrize("query", ["limit=0", "status=lost", "event_id=x", "after=x", "tpye=x"])
def test_a_wrong_query_is_refused(api, path, query):
    assert api.get(f"{path}/deliveries?{query}").status_code == 422


def test_a_test_event_is_on_its_way(api, path):
    answer = api.post(f"{path}/test")
    assert answer.status_code == 202
    assert (answer.json()["type"], answer.json()["status"]) == ("webhook.test", "pending")
    assert api.get(f"{path}/deliveries").json()["data"] == [answer.json()]
    assert api.post(f"{path}/test", {"type": "x"}).status_code == 422


def test_one_is_replayed(api, path, project):
    happen(project, EventType.SENT, EventType.BOUNCED)
    fail_all()
    row = api.get(f"{path}/deliveries?type=email.sent").json()["data"][0]
    answer = api.post(f"{path}/replay", {"delivery_id": row["id"]})
    assert (answer.status_code, answer.json()) == (202, {"replayed": 1})
    assert api.get(f"{path}/deliveries?type=email.sent").json()["data"][0]["status"] == "pending"
    assert api.get(f"{path}/deliveries?type=email.bounced").json()["data"][0]["status"] == "failed"


def test_all_failed_since_a_time_are_replayed_or_a_part_of_them(api, path, project):
    happen(project, EventType.SENT, EventType.BOUNCED, EventType.DELIVERED)
    fail_all()
    later = format_time(timezone.now() + timedelta(hours=1))
    earlier = format_time(timezone.now() - timedelta(hours=1))
    for body, count in [
        ({"since": later}, 0),
        ({"since": earlier, "until": earlier}, 0),
        ({"since": earlier, "types": ["email.sent"]}, 1),
        ({"since": earlier}, 2),
        ({"since": earlier}, 0),
        ({"since": earlier, "status": "delivered"}, 0),
    ]:
        assert api.post(f"{path}/replay", body).json() == {"replayed": count}, body


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": "yesterday"},
        {"since": "2030-01-01T00:00:00"},
        {"since": None},
        {"delivery_id": "x"},
        {"delivery_id": SOME_ID, "since": "2030-01-01T00:00:00Z"},
        {"delivery_id": SOME_ID, "status": "all"},
        {"since": "2030-01-01T00:00:00Z", "status": "pending"},
        {"sicne": "2030-01-01T00:00:00Z"},
    ],
    ids=repr,
)
def test_a_wrong_replay_is_refused(api, path, body):
    assert api.post(f"{path}/replay", body).status_code == 422


def test_anothers_delivery_is_not_replayed(api, other_api, path, project):
    happen(project, EventType.SENT)
    fail_all()
    theirs = other_api.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]}).json()["id"]
    pk = WebhookDelivery.objects.get().pk
    assert other_api.post(f"/webhooks/{theirs}/replay", {"delivery_id": str(pk)}).status_code == 404
    assert WebhookDelivery.objects.get().status == "failed"


def test_a_disabled_endpoint_is_enabled_first(api, path):
    api.patch(path, {"status": "disabled"})
    for action, body in (("test", None), ("replay", {"since": "2030-01-01T00:00:00Z"})):
        answer = api.post(f"{path}/{action}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_disabled")
