"""A closed project: no key, no new mail, what was on its way ends, and later nothing of it is left."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.acting_for import Delegate
from accounts.lifetimes.errors import ProjectClosedError
from accounts.models import AuditEntry, Closing, Project
from accounts.services import create_api_key
from messages import services
from messages.attachments import File
from messages.lifetimes import ending
from messages.lifetimes.ending import end_projects
from messages.models import AttachmentContent, Attempt, Message, Recipient
from messages.states import Status, StatusReason
from tests.commands.running import run
from tracking.models import Event, Suppression, TrackedLinks
from webhooks.models import Endpoint, WebhookDelivery

pytestmark = pytest.mark.django_db
FILE = File(filename="a.txt", content_type="text/plain", content=b"a file")


@pytest.fixture(autouse=True)
def _connections_stay(monkeypatch):
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


def test_keys_end_at_once_and_mail_within_one_run(api, admin_api, project, send):
    queued, scheduled = send(), send(scheduled_at=timezone.now() + timedelta(days=1))
    leased = send()
    rows = Recipient.objects.filter(message=leased)
    rows.update(lease_token=uuid4(), lease_until=timezone.now() + timedelta(minutes=1))
    path = f"/admin/projects/{project.pk}"
    first = admin_api.delete(path).json()
    assert admin_api.delete(f"{path}?delete_after_days=1").json() == first
    assert admin_api.get(path).json()["closed_at"] == first["closed_at"] is not None
    assert api.get("/me").json()["code"] == "key_revoked"
    with pytest.raises(ProjectClosedError):
        create_api_key(Project.objects.get(), scopes=["emails:send"])
    end_projects()
    states = {row.message_id: (row.status, row.status_reason) for row in Recipient.objects.all()}
    assert states[queued.pk] == (Status.FAILED, StatusReason.PROJECT_CLOSED)
    assert states[scheduled.pk] == (Status.CANCELLED, StatusReason.PROJECT_CLOSED)
    assert states[leased.pk] == (Status.QUEUED, "")
    assert Closing.objects.get().stopped_at is None
    rows.update(lease_token=None, lease_until=None)
    end_projects()
    assert rows.get().status == Status.FAILED
    end_projects()
    assert (Closing.objects.get().stopped_at is None, Message.objects.count()) == (False, 3)
    assert AuditEntry.objects.filter(action="close_project", project=project).count() == 1


def test_after_the_days_of_grace_nothing_is_left_and_others_keep_all(
    project, other_project, send, inbox, deliver, monkeypatch
):
    monkeypatch.setattr(ending, "BATCH", 2)
    for owner in (project, other_project):
        Endpoint.objects.create(project=owner, url="https://hook.test/", secret="s", events=["*"])
        Suppression.objects.create(project=owner, address="no@x.test", reason="manual")
    for _ in range(3):
        send(html='<a href="https://shop.test/">a</a>', track_clicks=True, attachments=[FILE])
    deliver()
    theirs = Message.objects.order_by("id").last()
    theirs.attachments.all().delete()
    Message.objects.filter(pk=theirs.pk).update(project=other_project)
    run("close_project", "Acme", "--delete-after", "0", package="accounts")
    end_projects()
    end_projects()
    row = Closing.objects.get()
    assert row.deleted_at is not None
    assert (row.counts["mail_message"], row.counts["accounts_project"]) == (2, 1)
    assert row.counts["tracking_event"] >= 4
    assert [project.name for project in Project.objects.all()] == ["Other"]
    assert [message.pk for message in Message.objects.all()] == [theirs.pk]
    assert (Attempt.objects.count(), TrackedLinks.objects.count()) == (1, 0)
    assert not Event.objects.filter(project_id=project.pk).exists()
    assert not WebhookDelivery.objects.filter(project_id=project.pk).exists()
    assert Suppression.objects.get().project == other_project
    assert AuditEntry.objects.filter(action="delete_project").count() == 1
    assert not AttachmentContent.objects.filter(project_id=project.pk).exists()


def test_a_closed_project_is_opened_again_before_its_deletion_begins(project, send):
    run("close_project", "Acme", package="accounts")
    with pytest.raises(ProjectClosedError):
        services.accept(Delegate(project=Project.objects.get()), [])
    assert run("close_project", "Acme", "--reopen", package="accounts")[0] == 0
    project.refresh_from_db()
    assert (project.closed_at, Closing.objects.count()) == (None, 0)
    run("close_project", "Acme", "--delete-after", "0", package="accounts")
    Closing.objects.update(step="mail")
    status, _, error = run("close_project", "Acme", "--reopen", package="accounts")
    assert (status, "deletion has begun" in error) == (1, True)
    assert run("close_project", "Acme", "--delete-after", "-1", package="accounts")[0] == 1
    assert run("close_project", "Nobody", package="accounts")[0] == 1
