"""POST /api/v1/emails/{id}/cancel."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from messages.models import Recipient
from messages.sending.schedule import release_due
from messages.states import Status
from tests.common.readers import is_utc
from tracking.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def scheduled(post):
    return post(scheduled_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat(), to=["a@x.test", "b@x.test"])["id"]


def test_a_scheduled_email_is_cancelled_with_neither_body_nor_content_type(api, scheduled):
    answer = api.post(f"/emails/{scheduled}/cancel")
    body = answer.json()
    assert (answer.status_code, body["id"], body["status"]) == (200, scheduled, "cancelled")
    assert is_utc(body["cancelled_at"])
    assert {row["status"] for row in body["recipients"]} == {"cancelled"}
    assert {row["next_attempt_at"] for row in body["recipients"]} == {None}
    assert [event["type"] for event in body["events"]] == ["email.scheduled", "email.cancelled"]
    assert body["events"][1]["recipient"] is None
    assert api.get(f"/emails/{scheduled}").json() == body


@pytest.mark.parametrize(
    ("body", "content_type"), [({}, "application/json"), (b"", "text/plain"), (b" \n", "application/octet-stream")]
)
def test_an_empty_body_of_any_type_counts_as_missing(api, scheduled, body, content_type):
    assert api.post(f"/emails/{scheduled}/cancel/", body, Content_Type=content_type).status_code == 200


def test_a_body_that_says_anything_is_refused(api, scheduled):
    answer = api.post(f"/emails/{scheduled}/cancel", {"reason": "wrong price"})
    assert (answer.status_code, answer.json()["errors"][0]["field"], answer.json()["code"]) == (
        422,
        "reason",
        "unknown_field",
    )
    assert api.post(f"/emails/{scheduled}/cancel", []).status_code == 422
    assert api.post(f"/emails/{scheduled}/cancel", b"x", Content_Type="text/plain").status_code == 415
    assert api.get(f"/emails/{scheduled}").json()["status"] == "scheduled"


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERING, Status.DELIVERED, Status.FAILED, Status.BOUNCED])
def test_mail_in_delivery_or_finished_is_409_with_its_status(api, post, settle_as, status):
    pk = post()["id"]
    settle_as(pk, status)
    answer = api.post(f"/emails/{pk}/cancel")
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "not_cancellable")
    assert status in body["detail"]
    assert body["errors"] == [{"field": "status", "code": status, "message": f"The email is {status}."}]
    assert api.get(f"/emails/{pk}").json()["status"] == status


def test_a_queued_or_cancelled_email_is_409(api, post, scheduled):
    answer = api.post(f"/emails/{post()['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable")
    assert "queued" in answer.json()["detail"]
    api.post(f"/emails/{scheduled}/cancel")
    answer = api.post(f"/emails/{scheduled}/cancel")
    assert (answer.status_code, "cancelled" in answer.json()["detail"]) == (409, True)
    assert Event.objects.filter(type="email.cancelled").count() == 1


def test_a_cancelled_email_is_neither_released_nor_due(api, scheduled, stored):
    api.post(f"/emails/{scheduled}/cancel")
    message = stored(scheduled)
    message.scheduled_at = datetime.now(UTC) - timedelta(seconds=1)
    message.save(update_fields=["scheduled_at"])
    assert release_due() == 0
    assert not Recipient.objects.filter(next_attempt_at__isnull=False).exists()


def test_an_unknown_email_or_one_of_another_project_is_404(other_api, api, scheduled):
    for client, pk in ((other_api, scheduled), (api, uuid.uuid4())):
        assert client.post(f"/emails/{pk}/cancel").status_code == 404
    assert api.get(f"/emails/{scheduled}").json()["status"] == "scheduled"
