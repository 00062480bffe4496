"""Batch ids at SendGrid's door: scheduled emails are cancelled together."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from messages.models import Message, Recipient
from messages.sending.loop import SendingLoop
from messages.sending.schedule import release_due
from messages.states import Lane, Status, StatusReason
from providers.models import Provider
from providers.routing.selection import routes
from tests.gateways.sendgrid.conftest import BASE, build_mail
from tests.provider_rows import settings_of

pytestmark = pytest.mark.django_db


def cancel(client: Any, batch_id: str, status: str = "cancel") -> Any:
    return client.post(f"{BASE}/v3/user/scheduled_sends", {"batch_id": batch_id, "status": status})


def new_group(api: Any) -> str:
    response = api.post(f"{BASE}/v3/mail/batch")
    assert response.status_code == 201
    batch_id: str = response.json()["batch_id"]
    assert api.get(f"{BASE}/v3/mail/batch/{batch_id}").json() == {"batch_id": batch_id}
    return batch_id


def test_the_scheduled_emails_of_a_group_are_cancelled(api, send):
    batch_id, later = new_group(api), int(time.time()) + 3600
    assert send("a@rcpt.test", "b@rcpt.test", send_at=later, batch_id=batch_id).status_code == 202
    assert send("now@rcpt.test", batch_id=batch_id).status_code == 202
    assert send("other@rcpt.test", send_at=later, batch_id=new_group(api)).status_code == 202
    for _ in range(2):
        response = cancel(api, batch_id)
        assert (response.status_code, response.json()) == (201, {"batch_id": batch_id, "status": "cancel"})
    found = {row.recipients.get().address: row.status for row in Message.objects.all()}
    assert found == {
        "a@rcpt.test": Status.CANCELLED,
        "b@rcpt.test": Status.CANCELLED,
        "now@rcpt.test": Status.QUEUED,
        "other@rcpt.test": Status.SCHEDULED,
    }


def test_a_group_is_listed_once_it_is_cancelled(api, other_api, send):
    batch_id = new_group(api)
    path = f"{BASE}/v3/user/scheduled_sends/{batch_id}"
    send(send_at=int(time.time()) + 3600, batch_id=batch_id)
    assert api.get(path).json() == []
    cancel(api, batch_id)
    assert api.get(path).json() == [{"batch_id": batch_id, "status": "cancel"}]
    assert other_api.get(path).json() == []
    refused = api.delete(path)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "batch_id")
    assert api.put(path, {}).status_code == 405


def test_a_paused_group_waits_until_it_is_resumed(api, other_api, project, send, settings):
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    batch_id, soon = new_group(api), int(time.time()) + 3600
    path = f"{BASE}/v3/user/scheduled_sends/{batch_id}"
    send("a@rcpt.test", send_at=soon, batch_id=batch_id)
    send("other@rcpt.test", send_at=soon, batch_id=new_group(api))
    for _ in range(2):
        response = cancel(api, batch_id, "pause")
        assert (response.status_code, response.json()) == (201, {"batch_id": batch_id, "status": "pause"})
    send("late@rcpt.test", send_at=soon, batch_id=batch_id)
    assert api.get(path).json() == [{"batch_id": batch_id, "status": "pause"}]
    assert api.get(f"{BASE}/v3/user/scheduled_sends").json() == [{"batch_id": batch_id, "status": "pause"}]
    Provider.objects.create(project=project, name="relay", kind="smtp", settings=settings_of("smtp://relay.test"))
    routes.forget()
    Message.objects.filter(batch_id=batch_id).update(scheduled_at=timezone.now() - timedelta(hours=1))
    release_due()
    SendingLoop(Lane.NORMAL, lambda: None).run()

    def held() -> set[tuple[str, str]]:
        rows = Recipient.objects.filter(message__batch_id=batch_id)
        return set(rows.values_list("address", "status_reason"))

    paused = {(address, StatusReason.PAUSED) for address in ("a@rcpt.test", "late@rcpt.test")}
    assert held() == paused
    assert other_api.delete(path).status_code == 404
    assert other_api.patch(path, {"status": "cancel"}).status_code == 404
    assert api.delete(path).status_code == 204
    assert not held() & paused
    assert (api.get(path).json(), api.delete(path).status_code) == ([], 404)
    assert AuditEntry.objects.filter(action__in=("pause", "resume")).count() == 2


def test_a_paused_group_is_cancelled_later(api, send):
    batch_id = new_group(api)
    path = f"{BASE}/v3/user/scheduled_sends/{batch_id}"
    send(send_at=int(time.time()) + 3600, batch_id=batch_id)
    assert cancel(api, batch_id, "pause").status_code == 201
    assert api.patch(path, {"status": "cancel"}).status_code == 204
    assert Message.objects.get().status == Status.CANCELLED
    assert api.get(path).json() == [{"batch_id": batch_id, "status": "cancel"}]
    assert api.patch(path, {"status": "stop"}).status_code == 400


def test_a_time_of_one_recipient_comes_before_that_of_all(send, stored):
    now = int(time.time())
    personal = [
        {"to": [{"email": "a@rcpt.test"}], "send_at": now + 7200},
        {"to": [{"email": "b@rcpt.test"}]},
    ]
    emails = stored(send(personalizations=personal, send_at=now + 3600))
    assert [int(email.scheduled_at.timestamp()) - now for email in emails] == [7200, 3600]


def test_a_group_of_another_project_is_unknown(api, other_api, send):
    batch_id = new_group(api)
    send(send_at=int(time.time()) + 3600, batch_id=batch_id)
    response = cancel(other_api, batch_id)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "batch_id")
    assert Message.objects.get().status == Status.SCHEDULED


@pytest.mark.parametrize(("batch_id", "status"), [("x", "cancel"), ("", "cancel"), (None, "stop"), (None, "pause")])
def test_a_wrong_request_is_refused(api, batch_id, status):
    response = cancel(api, new_group(api) if batch_id is None else batch_id, status)
    assert (response.status_code, list(response.json())) == (400, ["errors"])


def test_a_resent_email_is_not_in_the_group(api, send):
    batch_id = new_group(api)
    send(send_at=int(time.time()) + 3600, batch_id=batch_id)
    cancel(api, batch_id)
    first = Message.objects.get()
    assert api.post(f"/emails/{first.pk}/resend").status_code == 202
    assert Message.objects.exclude(pk=first.pk).get().batch_id is None


def test_an_email_of_a_test_key_is_cancelled_by_test_keys_alone(api, make_api):
    test_api = make_api(is_test=True)
    batch_id = new_group(test_api)
    body = build_mail(send_at=int(time.time()) + 3600, batch_id=batch_id)
    assert test_api.post(f"{BASE}/v3/mail/send", body).status_code == 202
    assert cancel(api, batch_id).status_code == 400
    assert cancel(test_api, batch_id).status_code == 201
