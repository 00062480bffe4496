"""`incident`: whom an incident affected, and their mail once more."""

import csv
import io
import json
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEntry
from messages.incidents.resending import resend_affected
from messages.message_events import record_status_events
from messages.models import IncidentResend, Message, Recipient
from messages.states import Status, StatusReason
from providers.services import sync_shared_provider
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db
SINCE = ["--since", (timezone.now() - timedelta(hours=1)).isoformat()]


@pytest.fixture(autouse=True)
def keep_the_connection(monkeypatch):
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    command = import_module("messages.management.commands.incident").Command(stdout=out, stderr=err, no_color=True)
    try:
        command.run_from_argv(["manage.py", "incident", *SINCE, *arguments, "--json"])
        status = 0
    except SystemExit as end:
        status = end.code
    return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


@pytest.fixture
def broken(send, deliver, inbox):
    """A mail of three recipients, of which the second was refused, and one that was delivered."""
    inbox.script.replies["RCPT"] = [None, "550 5.7.1 Listed by example-rbl", None]
    message = send(to=["a@x.test", "d@x.test", "c@x.test"], subject="Bill")
    deliver()
    inbox.script.replies.clear()
    delivered = send()
    deliver()
    Recipient.objects.filter(message=message, status="bounced").update(address="b@x.test")
    assert sorted(message.recipients.values_list("status", flat=True)) == ["bounced", "delivered", "delivered"]
    return message, delivered


def test_the_affected_are_listed_by_time_and_cause(broken, project, tmp_path):
    message, _ = broken
    file = tmp_path / "affected.csv"
    status, rows, _ = run("--csv", str(file))
    assert status == 0
    assert [(row["email_id"], row["address"], row["code"], row["resent"]) for row in rows] == [
        (str(message.pk), "b@x.test", 550, False)
    ]
    [line] = list(csv.DictReader(file.read_text().splitlines()))
    assert (line["email_id"], line["status"], line["enhanced_code"]) == (str(message.pk), "bounced", "5.7.1")
    hit = [
        ["--error", "550"],
        ["--error", "5.7.1"],
        ["--like", "example-RBL"],
        ["--like", "%Listed by%"],
        ["--provider", "default"],
        ["--project", project.name],
    ]
    miss = [["--error", "451"], ["--like", "greylisted"], ["--provider", "other"], ["--until", SINCE[1]]]
    assert all(len(run(*words)[1]) == 1 for words in hit)
    assert all(run(*words)[1] == [] for words in miss)


def test_the_copy_goes_to_the_affected_recipients_once_ever(broken, deliver, inbox):
    message, _ = broken
    status, [item], _ = run("--rate", "1000")
    copy = Message.objects.get(pk=item["copy"])
    assert (status, copy.resent_from_id, copy.subject) == (0, message.pk, "Bill")
    assert [row.address for row in copy.recipients.all()] == ["b@x.test"]
    deliver()
    assert copy.recipients.get().status == "delivered"
    # Again, and after the copy itself was affected: nobody gets a second copy.
    assert run("--rate", "1000")[:2] == (0, [])
    assert [row["resent"] for row in run()[1]] == [True]
    assert Message.objects.filter(resent_from=message).count() == 1
    [entry] = AuditEntry.objects.filter(action="resend_incident").order_by("id")[:1]
    assert (entry.data["emails"], entry.data["rate"]) == (1, 1000)


def test_a_dry_run_never_sends(broken):
    before = Message.objects.count()
    assert len(run("--rate", "1000", "--dry-run")[1]) == 1
    assert (Message.objects.count(), IncidentResend.objects.count()) == (before, 0)


def test_an_interrupted_run_goes_on_where_it_ended(send, monkeypatch):
    messages = [send(to=[f"{number}@x.test"]) for number in range(5)]
    fail(*messages)
    sent = []

    def stop(actor, message, ids):
        if len(sent) == 2:
            raise KeyboardInterrupt
        sent.append(message.pk)
        return resend_affected(actor, message, ids)

    with monkeypatch.context() as patch:
        patch.setattr("messages.management.commands.incident.resend_affected", stop)
        assert run("--rate", "1000")[0] == 130
    status, items, _ = run("--rate", "1000")
    assert (status, len(items)) == (0, 3)
    assert Message.objects.exclude(resent_from=None).count() == IncidentResend.objects.count() == 5


def fail(*messages):
    """As a provider's permanent error does, with its events."""
    for message in messages:
        applied = Recipient.objects.filter(message=message).move_to(Status.FAILED, StatusReason.PROVIDER_ERROR)
        record_status_events(applied)


def test_a_suppressed_recipient_is_left_for_later(send, project):
    message = send(to=["a@x.test", "b@x.test"])
    fail(message)
    row, _ = suppress(project.pk, Entry(address="a@x.test", reason="bounce"))
    [item] = run("--rate", "1000")[1]
    assert item["recipients"] == 1
    status, [item], _ = run("--rate", "1000")
    assert (status != 0, item["copy"]) == (True, None)
    row.delete()
    [item] = run("--rate", "1000")[1]
    assert [row.address for row in Message.objects.get(pk=item["copy"]).recipients.all()] == ["a@x.test"]


def test_a_copy_that_is_refused_leaves_no_trace(send):
    fail(send())
    sync_shared_provider("smtp://127.0.0.1:9")
    Message.objects.update(from_address="shop@foreign.test")
    status, [item], _ = run("--rate", "1000")
    assert (status != 0, item["copy"], IncidentResend.objects.count()) == (True, None, 0)
    assert item["error"]


def test_the_database_admits_no_second_copy(send):
    message = send()
    fail(message)
    run("--rate", "1000")
    with pytest.raises(IntegrityError), transaction.atomic():
        IncidentResend.objects.create(recipient=message.recipients.get(), actor="sue")


@pytest.mark.parametrize("wrong", [["--rate", "0"], ["--rate", "x"], ["--until", "yesterday"]])
def test_wrong_options_are_refused(project, wrong):
    assert run(*wrong)[0] != 0


class Clock:
    """A clock that moves only while somebody sleeps or works."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_no_burst_follows_a_delay(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("messages.management.commands.incident.time", clock)
    times = []
    for number in import_module("messages.management.commands.incident").at_rate(50, range(40)):
        times.append(clock.now)
        # The database is away while the tenth is accepted; each other one takes 5 ms.
        clock.sleep(60 if number == 10 else 0.005)
    assert times[10] == pytest.approx(10 / 50)
    after = [time - times[11] for time in times[11:]]
    # Five are late by the time that may be caught up; the rest keeps to the rate.
    assert after[-1] == pytest.approx(28 / 50 - 0.1)
    assert sum(time < 0.1 for time in after) <= 10
