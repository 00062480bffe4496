"""The admin's pages of pauses and incidents."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from messages.message_events import record_status_events
from messages.models import Pause, Recipient
from messages.states import Status, StatusReason
from tests.admin.people import superuser

pytestmark = pytest.mark.django_db
LIST = "admin:mail_pause_changelist"


@pytest.fixture
def root(db):
    return superuser()


def add(client, **values):
    return client.post(reverse("admin:mail_pause_add"), {"project": "", "value": "", "reason": "", **values})


def test_a_pause_is_made_listed_and_ended(root, project, send):
    message = send(tags=["sale"])
    assert add(root, project=str(project.pk), kind="tag", value="sale", reason="Wrong prices").status_code == 302
    pause = Pause.objects.get()
    assert (pause.made_by, pause.value) == ("root", "sale")
    assert message.recipients.get().status_reason == "paused"
    page = root.get(reverse(LIST)).content.decode()
    assert "Wrong prices" in page
    assert root.get(reverse("admin:mail_pause_change", args=[pause.pk])).status_code == 200
    root.post(reverse(LIST), {"action": "resume_selected", "_selected_action": [str(pause.pk)]})
    assert message.recipients.get().status_reason == ""
    assert "Wrong prices" not in root.get(reverse(LIST)).content.decode()
    assert "Wrong prices" in root.get(reverse(LIST) + "?ended=yes").content.decode()
    assert list(AuditEntry.objects.order_by("id").values_list("actor", "action")) == [
        ("root", "pause"),
        ("root", "resume"),
    ]


def test_a_drop_fails_the_mail(root, project, send):
    message = send()
    add(root, project=str(project.pk), kind="project")
    pause = Pause.objects.get()
    root.post(reverse(LIST), {"action": "drop_selected", "_selected_action": [str(pause.pk)]})
    assert message.recipients.get().status_reason == "dropped"


@pytest.mark.parametrize(
    "values", [{"kind": "tag", "value": "sale"}, {"kind": "recipient_domain", "value": "a b"}, {"kind": "guard"}]
)
def test_a_wrong_pause_is_shown_again(root, values):
    assert add(root, **values).status_code == 200
    assert not Pause.objects.exists()


def test_the_same_is_not_paused_twice(root):
    for status in (302, 200):
        assert add(root, kind="recipient_domain", value="x.test").status_code == status


def test_staff_looks_up_an_incident_and_downloads_it(sue, send):
    send("a@x.test")
    applied = Recipient.objects.all().move_to(Status.FAILED, StatusReason.PROVIDER_ERROR)
    record_status_events(applied)
    address = reverse("admin:mail_incidentresend_changelist")
    since = (timezone.now() - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M")
    assert "a@x.test" not in sue.get(address).content.decode()
    found = sue.get(address, {"since": since, "error": "provider_error"}).content.decode()
    assert "1 recipient affected" in found
    assert "a@x.test" in found
    assert "0 recipients" in sue.get(address, {"since": since, "error": "550"}).content.decode()
    file = sue.get(address, {"since": since, "csv": "1"})
    assert file["Content-Type"].startswith("text/csv")
    assert b"a@x.test" in file.content


def test_support_neither_sees_nor_makes_pauses(sue):
    assert sue.get(reverse(LIST)).status_code == 403
    assert add(sue, kind="recipient_domain", value="x.test").status_code == 403
