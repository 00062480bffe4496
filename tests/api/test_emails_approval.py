"""POST /api/v1/emails with a key that needs approval, and the person's side of it."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import AuditEntry
from messages.models import Message
from tests.api.conftest import EMAIL

pytestmark = pytest.mark.django_db


@pytest.fixture
def held_api(make_api):
    return make_api(hold_for_approval=True)


def find_state(api, pk):
    body = api.get(f"/emails/{pk}").json()
    return body["status"], body["status_reason"], body["scheduled_at"]


def test_its_mail_waits_and_says_so(held_api):
    assert held_api.get("/me").json()["key"]["hold_for_approval"] is True
    body = held_api.post("/emails", EMAIL).json()
    assert find_state(held_api, body["id"]) == ("scheduled", "approval", None)
    (one,) = held_api.post("/emails?dry_run=true", EMAIL).json()["recipients"]
    assert (one["decision"], one["reason"]) == ("scheduled", "approval")
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert held_api.patch(f"/emails/{body['id']}", {"scheduled_at": at}).status_code == 200
    assert find_state(held_api, body["id"])[:2] == ("scheduled", "approval")
    assert held_api.post(f"/emails/{body['id']}/resend", {}).json()["code"] == "not_resendable"
    assert held_api.post(f"/emails/{body['id']}/settle", {"as": "sent"}).json()["code"] == "not_uncertain"
    assert held_api.post(f"/emails/{body['id']}/cancel", {}).json()["status"] == "cancelled"
    copy = held_api.post(f"/emails/{body['id']}/resend", {}).json()
    assert find_state(held_api, copy["id"])[:2] == ("scheduled", "approval")


@pytest.mark.parametrize(("act", "status"), [("approve", "queued"), ("decline", "cancelled")])
def test_a_person_decides_in_the_admin(held_api, admin_client, act, status):
    pk = held_api.post("/emails", EMAIL).json()["id"]
    page = admin_client.get(f"/admin/mail/message/{pk}/change/").content.decode()
    assert f"/admin/mail/message/{pk}/{act}/" in page
    assert "Subject: Hi" in admin_client.get(f"/admin/mail/message/{pk}/source/").content.decode()
    for _ in range(2):
        admin_client.post(f"/admin/mail/message/{pk}/{act}/", {"ticket": "one"})
        assert Message.objects.get(pk=pk).status == status
    assert AuditEntry.objects.filter(object=pk, action=act).count() == 1
    assert (
        f"/admin/mail/message/{pk}/{act}/" not in admin_client.get(f"/admin/mail/message/{pk}/change/").content.decode()
    )
