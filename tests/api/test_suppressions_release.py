"""POST /api/v1/suppressions/{address}/release."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project
from accounts.scopes import ALL, EMAILS_SEND, SUPPRESSIONS_WRITE
from messages import suppressed_mail
from messages.models import Message, Recipient
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tracking.models import Event, Suppression
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db
Post = Callable[..., dict[str, Any]]
RELEASE = "/suppressions/one@rcpt.test/release"


@pytest.fixture
def suppressed(project: Project) -> Suppression:
    return suppress(project.pk, Entry(address="one@rcpt.test", reason="bounce"))[0]


def resent(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["resent_from"] for row in answer.json()["resent"]]


def test_suppressed_mail_is_sent_only_to_the_released_address(api, post: Post, suppressed, stored):
    alone = post(to="One@rcpt.test", subject="first")
    among = post(to=["two@rcpt.test", "One <one@rcpt.test>"], cc="three@rcpt.test", subject="second", tags=["t"])
    others = post(to="two@rcpt.test")
    answer = api.post(RELEASE, {"resend": True})
    assert resent(answer) == [alone["id"], among["id"]]
    body = answer.json()
    assert (body["address"], body["reason"], body["refused"], body["left_count"]) == ("one@rcpt.test", "bounce", [], 0)
    new = api.get(f"/emails/{body['resent'][1]['id']}").json()
    assert (new["status"], new["to"], new["cc"], new["tags"]) == ("queued", ["One <one@rcpt.test>"], [], ["t"])
    assert new["subject"] == "second"
    assert not Suppression.objects.exists()
    assert Message.objects.filter(resent_from=others["id"]).count() == 0
    assert api.get(f"/emails/{alone['id']}").json()["status"] == "failed"


@pytest.mark.parametrize("body", [None, {}, {"resend": False}])
def test_without_the_wish_nothing_is_sent(api, post: Post, suppressed, body):
    post()
    answer = api.post(RELEASE, body)
    assert resent(answer) == []
    assert Message.objects.count() == 1
    assert post()["status"] == "queued"


def test_mail_that_was_held_at_send_comes_too(api, post: Post, project: Project, deliver):
    early = post()
    suppress(project.pk, Entry(address="one@rcpt.test", reason="manual"))
    sync_shared_provider("inbox://127.0.0.1:1")
    routes.forget()
    deliver()
    assert api.get(f"/emails/{early['id']}").json()["status_reason"] == "suppressed"
    assert resent(api.post(RELEASE, {"resend": True})) == [early["id"]]


def test_only_mail_suppressed_by_this_entry_is_sent(api, post: Post, suppressed, project: Project):
    old = post()
    api.delete("/suppressions/one@rcpt.test")
    Event.objects.update(occurred_at=timezone.now() - timedelta(hours=1))
    suppress(project.pk, Entry(address="one@rcpt.test", reason="manual"))
    new = post()
    assert resent(api.post(RELEASE, {"resend": True})) == [new["id"]]
    assert not Message.objects.filter(resent_from=old["id"]).exists()


def test_since_leaves_out_what_was_held_before(api, post: Post, suppressed):
    Suppression.objects.update(created_at=timezone.now() - timedelta(days=3))
    post()
    Event.objects.update(occurred_at=timezone.now() - timedelta(days=2))
    late = post()
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert resent(api.post(RELEASE, {"resend": True, "since": since})) == [late["id"]]


def test_expired_mail_is_not_sent(api, post: Post, suppressed):
    code = post(expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    Message.objects.filter(pk=code["id"]).update(expires_at=timezone.now() - timedelta(seconds=1))
    fresh = post(expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    answer = api.post(RELEASE, {"resend": True})
    assert resent(answer) == [fresh["id"]]
    new = api.get(f"/emails/{answer.json()['resent'][0]['id']}").json()
    assert new["expires_at"] == fresh["expires_at"]


def test_scheduled_mail_stays_scheduled(api, post: Post, suppressed):
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    later = post(to=["one@rcpt.test", "two@rcpt.test"], scheduled_at=at)
    answer = api.post(RELEASE, {"resend": True})
    assert resent(answer) == [later["id"]]
    new = api.get(f"/emails/{answer.json()['resent'][0]['id']}").json()
    assert (new["status"], new["scheduled_at"]) == ("scheduled", later["scheduled_at"])


def test_what_was_tried_again_while_suppressed_comes_once(api, post: Post, suppressed):
    first = post()
    again = api.post(f"/emails/{first['id']}/resend").json()
    assert again["status"] == "failed"
    assert resent(api.post(RELEASE, {"resend": True})) == [again["id"]]


def test_mail_of_test_keys_is_not_sent_by_a_live_one(api, test_api, post: Post, suppressed):
    post(test_api)
    assert resent(api.post(RELEASE, {"resend": True})) == []


def test_mail_that_may_no_longer_be_sent_is_listed_as_refused(api, post: Post, suppressed):
    old = post()
    sync_shared_provider("smtp://relay.test:25")
    routes.forget()
    body = api.post(RELEASE, {"resend": True}).json()
    assert body["resent"] == []
    assert [(row["id"], row["code"]) for row in body["refused"]] == [(old["id"], "sender_not_verified")]
    assert not Suppression.objects.exists()


def test_the_newest_come_first_where_they_are_too_many(api, post: Post, suppressed, monkeypatch):
    monkeypatch.setattr(suppressed_mail, "MAX_RESENT", 2)
    ids = [post()["id"] for _ in range(4)]
    answer = api.post(RELEASE, {"resend": True})
    assert (resent(answer), answer.json()["left_count"]) == (ids[2:], 2)


def test_attachments_come_along(api, post: Post, suppressed):
    post(attachments=[{"filename": "a.txt", "content_type": "text/plain", "content_b64": "YWJj"}])
    new = api.post(RELEASE, {"resend": True}).json()["resent"][0]["id"]
    shown = api.get(f"/emails/{new}").json()["attachments"]
    assert [(row["filename"], row["size"]) for row in shown] == [("a.txt", 3)]
    assert api.get(f"/emails/{new}/attachments/{shown[0]['id']}").content == b"abc"


def test_it_needs_leave_to_send_only_where_mail_is_sent(make_api, suppressed):
    only = make_api(scopes=[SUPPRESSIONS_WRITE])
    answer = only.post(RELEASE, {"resend": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert EMAILS_SEND in answer.json()["detail"]
    assert make_api(scopes=ALL - {SUPPRESSIONS_WRITE}).post(RELEASE).status_code == 403
    assert only.post(RELEASE).status_code == 200


def test_who_is_not_on_the_list_is_not_found(api, other_api, suppressed):
    for path in ("/suppressions/two@rcpt.test/release", "/suppressions/nonsense/release"):
        assert api.post(path).status_code == 404
    assert other_api.post(RELEASE).status_code == 404
    assert api.post(RELEASE).status_code == 200
    assert api.post(RELEASE).status_code == 404


def test_an_unknown_field_releases_nothing(api, suppressed):
    assert api.post(RELEASE, {"resent": True}).status_code == 422
    assert api.post(RELEASE + "?resend=true").status_code == 422
    assert Suppression.objects.exists()


def test_the_same_idempotency_key_releases_once_and_answers_again(api, post: Post, suppressed):
    post()
    first = api.post(RELEASE, {"resend": True}, Idempotency_Key="k").json()
    assert api.post(RELEASE, {"resend": True}, Idempotency_Key="k").json() == first
    assert Recipient.objects.count() == 2


def test_the_entry_itself_is_still_found_at_its_address(api, suppressed):
    assert api.get("/suppressions/one@rcpt.test").json()["reason"] == "bounce"
    assert api.delete("/suppressions/one%40rcpt.test").status_code == 204
