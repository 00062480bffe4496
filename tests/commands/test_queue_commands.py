"""Commands on the queue and its housekeeping."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import IdempotencyKey
from ledger.timer import TICK_KEY
from messages.models import AttachmentContent, Attempt, Message, Recipient
from messages.states import Lane, Status, StatusReason
from tests.commands.running import run
from tests.flows.conftest import worker_environment

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]


def lease(message: Message, until: timedelta) -> None:
    token = uuid4()
    message.recipients.update(lease_token=token, lease_until=timezone.now() + until, attempt_count=1)
    Attempt.objects.create(
        recipient=message.recipients.get(), number=1, lease_token=token, phase="claimed", claimed_at=timezone.now()
    )


def lanes() -> dict[str, dict[str, object]]:
    status, [item], err = run("queue_status", "--json")
    assert (status, err) == (0, "")
    return {lane["lane"]: lane for lane in item["lanes"]}


def test_queue_status_counts_by_lane_and_state(send):
    send(priority=Lane.CRITICAL)
    lease(send(), timedelta(minutes=1))
    lease(send(), timedelta(minutes=-1))
    later, on_hold, done = send(), send(), send()
    later.recipients.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    on_hold.recipients.update(next_attempt_at=None, status=Status.DELIVERING, status_reason=StatusReason.UNCERTAIN)
    done.recipients.update(next_attempt_at=None, status=Status.SENT)
    found = lanes()
    assert list(found) == ["critical", "normal", "bulk"]
    assert {name: found["normal"][name] for name in ("due", "later", "leased", "lost", "on_hold")} == {
        "due": 0,
        "later": 1,
        "leased": 1,
        "lost": 1,
        "on_hold": 1,
    }
    assert (found["critical"]["due"], found["bulk"]["due"]) == (1, 0)
    assert found["critical"]["oldest_due_at"]


def test_queue_status_shows_the_workers(send):
    send(scheduled_at=timezone.now() + timedelta(hours=2))
    cache.delete(TICK_KEY)
    _, text, _ = run("queue_status")
    assert "workers: none has been seen" in text
    assert "beat: has not run yet" in text
    assert "scheduled: 1, the next in 1 h 59 min" in text
    cache.set(TICK_KEY, time.time() - 3)
    every = IntervalSchedule.objects.create(every=5, period="seconds")
    last = timezone.now() - timedelta(minutes=2)
    PeriodicTask.objects.create(name="tick", task="mail.tick", interval=every, last_run_at=last)
    _, text, _ = run("queue_status")
    seen = re.search(r"workers: seen (\d+)", text)
    assert seen
    assert int(seen[1]) >= 3
    assert "beat: last ran 2 min ago" in text
    cache.delete(TICK_KEY)


@pytest.mark.slow("starts a program that loads the whole service")
@pytest.mark.django_db(transaction=True)
def test_queue_status_watches_in_json_lines_until_interrupted(send):
    process = subprocess.Popen(
        [sys.executable, "manage.py", "queue_status", "--watch", "0.1", "--json"],
        cwd=ROOT,
        env=os.environ | worker_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore it, and so would what they start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert all(line.startswith("{") for line in lines)
    assert (process.returncode, err) == (0, "")


def test_release_due_queues_messages_whose_time_has_passed(send):
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    assert run("release_due", "--json")[1] == [{"released": 0}]
    Message.objects.filter(pk=message.pk).update(scheduled_at=timezone.now() - timedelta(seconds=1))
    assert run("release_due", "--json")[1] == [{"released": 1}]
    message.refresh_from_db()
    assert message.status == Status.QUEUED


def test_release_stuck_requeues_a_dead_workers_recipients(send):
    stuck, alive = send(), send()
    lease(stuck, timedelta(minutes=-1))
    lease(alive, timedelta(minutes=1))
    assert run("release_stuck", "--dry-run", "--json")[1] == [{"stuck": 1}]
    assert run("release_stuck", "--json")[1] == [{"released": 1}]
    assert Recipient.objects.get(message=stuck).lease_token is None
    assert Recipient.objects.get(message=alive).lease_token is not None
    assert run("release_stuck")[1] == "0 released\n"


def test_purge_idempotency_keys_forgets_old_ones(project):
    for key, age in (("old", 25), ("new", 1)):
        row = IdempotencyKey.objects.create(project=project, key=key, fingerprint=b"x" * 32)
        IdempotencyKey.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(hours=age))
    assert run("purge_idempotency_keys", "--json")[1] == [{"purged": 1}]
    assert IdempotencyKey.objects.get().key == "new"


def test_sweep_attachments_removes_unreferenced_files(project):
    content = AttachmentContent.objects.create(project=project, sha256=b"x" * 32, size=1, data=b"x")
    assert run("sweep_attachments", "--json")[1] == [{"swept": 0}]
    AttachmentContent.objects.filter(pk=content.pk).update(created_at=timezone.now() - timedelta(hours=2))
    assert run("sweep_attachments", "--json")[1] == [{"swept": 1}]


@pytest.mark.parametrize(
    "name",
    [
        *("send_email", "show_email", "list_emails", "queue_status", "cancel_email", "resend_email"),
        *("release_due", "release_stuck", "purge_idempotency_keys", "sweep_attachments"),
    ],
)
def test_each_command_explains_itself(name, capsys):
    status, _, err = run(name, "--help")
    assert (status, err) == (0, "")
    assert "--json" in capsys.readouterr().out
