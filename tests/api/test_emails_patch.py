"""PATCH /api/v1/emails/{id}."""

from datetime import UTC, datetime, timedelta

import pytest

from messages.models import Message, Recipient
from messages.states import Status

pytestmark = pytest.mark.django_db


def at(**ahead):
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat().replace("+00:00", "Z")


@pytest.fixture
def scheduled(post):
    return post(scheduled_at=at(hours=1))["id"]


def test_a_scheduled_email_gets_another_time(api, scheduled):
    later = at(days=3)
    for form in (f"/emails/{scheduled}", f"/emails/{scheduled}/"):
        answer = api.patch(form, {"scheduled_at": later})
        assert (answer.status_code, answer.json()["status"], answer.json()["scheduled_at"]) == (200, "scheduled", later)
    assert Message.objects.get().scheduled_at == datetime.fromisoformat(later)


def test_the_time_to_give_up_moves_along_unless_it_was_given(api, post, scheduled):
    before = Recipient.objects.get().expires_at
    api.patch(f"/emails/{scheduled}", {"scheduled_at": at(days=3)})
    assert Recipient.objects.get().expires_at > before + timedelta(days=2)
    pk = post(scheduled_at=at(hours=1), expires_at=at(hours=2))["id"]
    api.patch(f"/emails/{pk}", {"scheduled_at": at(hours=1.5)})
    assert Recipient.objects.get(message_id=pk).expires_at == Message.objects.get(pk=pk).expires_at


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"scheduled_at": None}, "scheduled_at", "null"),
        ({"scheduled_at": ""}, "scheduled_at", "invalid_time"),
        ({"scheduled_at": []}, "scheduled_at", "invalid_time"),
        ({}, "scheduled_at", "required"),
        ({"scheduled_at": "2030-01-01T00:00:00"}, "scheduled_at", "offset_required"),
        ({"scheduled_at": at(seconds=-1)}, "scheduled_at", "not_in_future"),
        ({"scheduled_at": at(days=366)}, "scheduled_at", "too_far_ahead"),
        ({"scheduled_at": at(hours=3), "subject": "x"}, "subject", "unknown_field"),
        ({"status": "cancelled"}, "status", "unknown_field"),
    ],
)
def test_what_cannot_be_meant_is_refused(api, scheduled, body, field, code):
    answer = api.patch(f"/emails/{scheduled}", body)
    assert answer.status_code == 422
    assert (field, code) in [(error["field"], error["code"]) for error in answer.json()["errors"]]


def test_a_time_after_its_expiry_is_refused(api, post):
    pk = post(scheduled_at=at(hours=1), expires_at=at(hours=2))["id"]
    answer = api.patch(f"/emails/{pk}", {"scheduled_at": at(hours=3)})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_before_expiry")


@pytest.mark.parametrize("status", [None, Status.SENT, Status.DELIVERED, Status.FAILED])
def test_an_email_that_is_not_scheduled_is_409_with_its_status(api, post, settle_as, status):
    pk = post()["id"]
    if status:
        settle_as(pk, status)
    answer = api.patch(f"/emails/{pk}", {"scheduled_at": at(hours=1)})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_reschedulable")
    assert (status or "queued") in answer.json()["detail"]
    assert Message.objects.get().scheduled_at is None


def test_a_cancelled_email_is_409(api, scheduled):
    api.post(f"/emails/{scheduled}/cancel")
    assert api.patch(f"/emails/{scheduled}", {"scheduled_at": at(hours=1)}).status_code == 409


def test_another_projects_email_is_404(other_api, scheduled):
    assert other_api.patch(f"/emails/{scheduled}", {"scheduled_at": at(hours=1)}).status_code == 404
