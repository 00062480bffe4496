"""Retention: what is over goes, what may still be sent stays, and the links in sent mail lead on."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.lifetimes.retention import find_longest
from accounts.models import AuditEntry, IdempotencyKey, Retention
from messages.attachments import File
from messages.lifetimes.purging import purge_ownerless
from messages.models import Attempt, LatePurge, Message, Recipient
from messages.states import Status
from tests.commands.running import run
from tracking.engagement.tokens import Token, TokenPurpose, write_token
from tracking.models import Event, LinkOwner, Rollup, Suppression, TrackedLinks
from tracking.stats.rebuild import rebuild

pytestmark = pytest.mark.django_db
MONTH = timedelta(days=31)
QUARTER = timedelta(days=91)
FILE = File(filename="a.txt", content_type="text/plain", content=b"a file")


@pytest.fixture(autouse=True)
def _connections_stay(monkeypatch):
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


def code_of(answer):
    return answer.status_code, answer.json()["code"]


def test_bodies_and_files_go_and_the_email_stays(api, send, end, inbox, deliver, later, purge_now):
    message = send(attachments=[FILE])
    deliver()
    path = f"/emails/{message.pk}"
    purge_now()
    assert api.get(path).json()["text"] == "Hello."
    later(MONTH)
    purge_now()
    shown = api.get(path)
    body = shown.json()
    assert (shown.status_code, body["html"], body["text"], body["subject"]) == (200, None, None, "Hi")
    assert body["bodies_purged_at"] is not None
    assert [(file["filename"], file["size"]) for file in body["attachments"]] == [("a.txt", 6)]
    assert code_of(api.get(f"{path}/raw")) == (409, "body_purged")
    assert code_of(api.get(f"{path}/attachments/{body['attachments'][0]['id']}")) == (409, "body_purged")
    assert code_of(api.post(f"{path}/resend")) == (409, "body_purged")
    assert code_of(api.post(f"{path}/resend", {"to": ["other@x.test"]})) == (409, "body_purged")
    assert Message.objects.count() == 1
    assert not IdempotencyKey.objects.exists()


def test_what_may_still_be_sent_loses_nothing_and_goes_when_it_is_over(send, end, later, purge_now):
    open_mail, ended = send(), end(send(), Status.SENT)
    scheduled = send(scheduled_at=timezone.now() + timedelta(days=300))
    later(QUARTER)
    purge_now()
    assert set(Message.objects.all()) == {open_mail, scheduled}
    assert set(LatePurge.objects.values_list("message_id", flat=True)) == {open_mail.pk, scheduled.pk}
    assert Message.objects.select_related("content").get(pk=scheduled.pk).content.text == "Hello."
    assert not Event.objects.filter(message_id=ended.pk).exists()
    assert Event.objects.filter(message_id=scheduled.pk).count() == 1
    end(open_mail, Status.BOUNCED)
    purge_now()
    assert set(Message.objects.all()) == {scheduled}


def test_time_counts_from_the_last_change_of_status(send, end, later, keep, purge_now):
    keep(bodies=30)
    message = end(send())
    Message.objects.filter(pk=message.pk).update(bounced_at=timezone.now() + timedelta(days=20))
    later(MONTH)
    purge_now()
    assert Message.objects.filter(content__bodies_purged_at=None).exists()
    later(MONTH + timedelta(days=20))
    purge_now()
    assert not Message.objects.filter(content__bodies_purged_at=None).exists()


def test_links_lead_on_for_two_years_after_their_mail_is_gone(client, send, end, later, purge_now):
    message = end(send(html='<a href="https://shop.test/a">a</a>', track_clicks=True))
    recipient = message.recipients.get()
    token = write_token(Token(TokenPurpose.CLICK, recipient.pk))
    later(QUARTER)
    purge_now()
    assert not Message.objects.exists()
    answer = client.get(f"/t/c/{token}")
    assert (answer.status_code, answer["Location"]) == (302, "https://shop.test/a")
    purge_ownerless()
    assert LinkOwner.objects.count() == 1
    later(timedelta(days=731))
    purge_ownerless()
    assert not LinkOwner.objects.exists()
    assert not TrackedLinks.objects.exists()
    assert client.get(f"/t/c/{token}").status_code == 404


def test_each_kind_goes_by_its_own_time_and_others_stay(project, send, end, inbox, deliver, later, keep, purge_now):
    send()
    deliver()
    AuditEntry.objects.create(actor="a", action="b", object="c", project=project)
    for reason in ("bounce", "complaint"):
        Suppression.objects.create(project=project, address="a@x.test", reason=reason)
    keep(attempts=10, audit=10, bounced_suppressions=10)
    later(timedelta(days=9))
    assert purge_now() == 0
    later(timedelta(days=11))
    purge_now()
    assert (Attempt.objects.count(), AuditEntry.objects.filter(project=project).count()) == (0, 0)
    assert [row.reason for row in Suppression.objects.all()] == ["complaint"]
    assert Event.objects.exists()
    assert Recipient.objects.count() == 1


def test_a_resend_outlives_its_original(send, end, later, purge_now):
    original = end(send())
    copy = send()
    Message.objects.filter(pk=copy.pk).update(resent_from=original)
    later(QUARTER)
    purge_now()
    assert Message.objects.get().resent_from_id is None


def test_purge_tells_how_much_of_which_kind_and_removes_it(project, other_project, send, end):
    end(send())
    send()
    theirs = end(send())
    Message.objects.filter(pk=theirs.pk).update(project=other_project)
    Rollup.objects.all().delete()
    arguments = ("--kind", "bodies", "--kind", "events", "--older-than", "0m", "--project", "Acme", "--json")
    status, rows, _ = run("purge", *arguments, "--dry-run")
    counts = [(row["project"], row["kind"], row["count"], row["dry_run"]) for row in rows]
    assert (status, counts) == (0, [("Acme", "bodies", 1, True), ("Acme", "events", 2, True)])
    _, rows, _ = run("purge", *arguments)
    assert [row["count"] for row in rows] == [1, 2]
    assert Message.objects.filter(content__bodies_purged_at=None).count() == 2
    assert AuditEntry.objects.filter(action="purge", project=project).count() == 2
    _, rows, _ = run("purge", *arguments)
    assert [row["count"] for row in rows] == [0, 0]


@pytest.mark.parametrize("arguments", [("--older-than", "soon"), ("--kind", "all"), ("--project", "Nobody")])
def test_purge_refuses_what_it_does_not_know(project, arguments):
    assert run("purge", *arguments)[0] in {1, 2}
    assert not AuditEntry.objects.filter(action="purge").exists()


def test_a_month_of_posts_stays_as_long_as_any_project_keeps_it(project, other_project):
    assert find_longest("webhook_log") == 90
    Retention.objects.create(project=project, webhook_log=200)
    assert find_longest("webhook_log") == 200
    Retention.objects.create(project=other_project, webhook_log=None)
    assert find_longest("webhook_log") is None


def test_a_rebuild_leaves_hours_whose_events_are_gone(project, send, end, keep, later, purge_now):
    end(send())
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    keep(events=10)
    later(timedelta(days=11))
    purge_now()
    assert (Event.objects.count(), Message.objects.count()) == (0, 1)
    assert list(rebuild(project.pk, hour)) == []
    later(timedelta(days=-1))
    assert [each.email_count for each in rebuild(project.pk, hour)] == [1]


def test_set_project_keeps_kinds_for_days_or_for_good(project):
    arguments = ("--keep", "bodies=7", "--keep", "events=forever", "--json")
    status, [shown], _ = run("set_project", *arguments, package="accounts")
    assert (status, shown["retention"]["bodies"], shown["retention"]["events"]) == (0, 7, None)
    assert shown["retention"]["messages"] == 90
    for wrong in ("bodies", "bodies=-1", "bodies=99999", "letters=7"):
        status, _, error = run("set_project", "--keep", wrong, package="accounts")
        assert (status, "kinds are bodies" in error) == (1, True)
    assert Retention.objects.get().bodies == 7
