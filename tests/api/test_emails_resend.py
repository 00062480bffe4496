"""POST /api/v1/emails/{id}/resend."""

import uuid
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from messages.models import AttachmentContent, Message
from messages.states import Status
from providers.models import Provider
from providers.routing.selection import routes
from tests.provider_rows import settings_of

pytestmark = pytest.mark.django_db
FILE = {"filename": "a.txt", "content_type": "text/plain", "content_b64": b64encode(b"abc").decode(), "content_id": "x"}
SHOWN = ("from_", "to", "cc", "bcc", "reply_to", "subject", "headers", "tags", "metadata", "priority", "on_uncertain")


@pytest.fixture
def sent(post, settle_as):
    """An email with everything, that was delivered."""
    body = post(
        to=["a@x.test", "Bo <b@x.test>"],
        cc="c@x.test",
        bcc="d@x.test",
        reply_to="r@x.test",
        html="<p>Hi</p>",
        attachments=[FILE],
        headers={"X-A": "b"},
        tags=["t"],
        metadata={"k": "v"},
        priority="bulk",
        on_uncertain="hold",
        track_opens=True,
        expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    )
    settle_as(body["id"], Status.DELIVERED)
    return body


def test_a_resend_is_a_new_email_with_the_same_content(api, sent):
    before = api.get(f"/emails/{sent['id']}").json()
    answer = api.post(f"/emails/{sent['id']}/resend")
    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"/api/v1/emails/{body['id']}")
    assert body["id"] != sent["id"]
    assert (body["status"], body["resent_from"], before["resent_from"]) == ("queued", sent["id"], None)
    assert [body[name] for name in SHOWN] == [sent[name] for name in SHOWN]
    assert body["message_id"] != sent["message_id"]
    shown = api.get(f"/emails/{body['id']}").json()
    assert (shown["html"], shown["text"]) == ("<p>Hi</p>", "Hello.")
    assert api.get(f"/emails/{sent['id']}").json() == before


def test_neither_schedule_nor_expiry_is_copied(api, sent):
    body = api.post(f"/emails/{sent['id']}/resend/").json()
    assert (body["scheduled_at"], body["expires_at"]) == (None, None)


def test_attachments_are_carried_over_and_their_bytes_kept_once(api, sent):
    body = api.post(f"/emails/{sent['id']}/resend").json()
    (old,), (new,) = sent["attachments"], body["attachments"]
    assert new["id"] != old["id"]
    assert [new[name] for name in ("filename", "content_type", "size", "content_id")] == [
        "a.txt",
        "text/plain",
        3,
        "x",
    ]
    assert api.get(f"/emails/{body['id']}/attachments/{new['id']}").content == b"abc"
    assert AttachmentContent.objects.count() == 1


def test_only_those_that_failed_or_bounced_get_it_again(api, post, settle_as):
    pk = post(to=["a@x.test", "b@x.test"], cc=["c@x.test", "d@x.test"], bcc="e@x.test")["id"]
    for address, status in {"a": Status.DELIVERED, "b": Status.BOUNCED, "c": Status.FAILED, "d": Status.SENT}.items():
        settle_as(pk, status, address=f"{address}@x.test")
    settle_as(pk, Status.DELIVERED, address="e@x.test")
    body = api.post(f"/emails/{pk}/resend", {"recipients": "failed"}).json()
    assert (body["to"], body["cc"], body["bcc"]) == (["b@x.test"], ["c@x.test"], [])
    assert [row["address"] for row in body["recipients"]] == ["b@x.test", "c@x.test"]


def test_when_nobody_failed_there_is_nothing_to_send_again(api, sent):
    answer = api.post(f"/emails/{sent['id']}/resend", {"recipients": "failed"})
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_resend")
    assert Message.objects.count() == 1


@pytest.mark.parametrize("body", [{}, {"recipients": "all"}, {"recipients": None}, {"recipients": ""}])
def test_without_a_choice_all_get_it_again(api, sent, body):
    answer = api.post(f"/emails/{sent['id']}/resend", body)
    assert (answer.status_code, len(answer.json()["recipients"])) == (202, 4)


def test_while_it_is_queued_or_scheduled_it_is_409(api, post):
    queued = post()
    scheduled = post(scheduled_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    for body in (queued, scheduled):
        answer = api.post(f"/emails/{body['id']}/resend")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_resendable")
        assert body["status"] in answer.json()["detail"]
    assert Message.objects.count() == 2


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERING, Status.FAILED, Status.BOUNCED])
def test_in_every_later_state_it_may_be_sent_again(api, post, settle_as, status):
    pk = post()["id"]
    settle_as(pk, status)
    assert api.post(f"/emails/{pk}/resend").status_code == 202


def test_a_cancelled_email_may_be_sent_after_all(api, post):
    pk = post(scheduled_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())["id"]
    api.post(f"/emails/{pk}/cancel")
    body = api.post(f"/emails/{pk}/resend").json()
    assert (body["status"], body["scheduled_at"]) == ("queued", None)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"recipients": "some"}, "recipients", "invalid_choice"),
        ({"recipients": ["a@x.test"]}, "recipients", "invalid_choice"),
        ({"cc": "a@x.test"}, "cc", "unknown_field"),
    ],
)
def test_what_cannot_be_meant_is_refused(api, sent, body, field, code):
    answer = api.post(f"/emails/{sent['id']}/resend", body)
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    assert Message.objects.count() == 1


def test_the_sender_is_checked_anew(api, sent):
    Provider.objects.create(name="relay", kind="smtp", settings=settings_of("smtp://192.0.2.1"))
    routes.forget()
    answer = api.post(f"/emails/{sent['id']}/resend")
    assert (answer.status_code, answer.json()["code"]) == (403, "sender_not_verified")


def test_the_keys_recipients_are_checked_anew(make_api, sent):
    limited = make_api(allowed_recipients=["*@y.test"])
    assert limited.post(f"/emails/{sent['id']}/resend").json()["code"] == "recipient_not_allowed"


def test_an_unknown_email_or_one_of_another_project_is_404(other_api, api, sent):
    for client, pk in ((other_api, sent["id"]), (api, uuid.uuid4())):
        assert client.post(f"/emails/{pk}/resend").status_code == 404
