"""Staff release an address, and its suppressed mail is sent."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Project
from messages.models import Message
from tests.admin.people import log_in
from tracking.models import Suppression
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db
LIST = reverse("admin:tracking_suppression_changelist")


@pytest.fixture
def row(project: Project) -> Suppression:
    return suppress(project.pk, Entry(address="one@rcpt.test", reason="unsubscribe"))[0]


def chosen(*rows: Suppression, **values: str) -> dict[str, object]:
    return {"action": "release_and_resend", "_selected_action": [str(row.pk) for row in rows], **values}


def test_a_suppression_shows_its_suppressed_mail(root: Client, row: Suppression, send: Callable[..., Message]) -> None:
    message = send(subject="<b>Order</b>", enable_unsubscribe=True)
    page = root.get(reverse("admin:tracking_suppression_change", args=[row.pk])).content.decode()
    assert reverse("admin:mail_message_change", args=[message.pk]) in page
    assert "&lt;b&gt;Order&lt;/b&gt;" in page


def test_a_release_is_asked_with_all_that_would_be_sent_in_sight(
    root: Client, row: Suppression, send: Callable[..., Message]
) -> None:
    send(subject="Your order", enable_unsubscribe=True)
    page = root.post(LIST, chosen(row)).content.decode()
    assert "Your order" in page
    assert "asked for no more mail" in page
    assert (Suppression.objects.count(), Message.objects.count()) == (1, 1)
    asked = root.post(LIST, chosen(row, confirmed="resend", note=" ")).content.decode()
    assert ("Write a note" in asked, Suppression.objects.count()) == (True, 1)
    answer = root.post(LIST, chosen(row, confirmed="resend", note="Asked for it by phone"), follow=True)
    assert "1 suppressed message resent" in answer.content.decode()
    new = Message.objects.get(resent_from__isnull=False)
    assert not Suppression.objects.exists()
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object) == ("root", "release", "one@rcpt.test")
    assert (entry.data["resent"], entry.data["note"]) == ([str(new.pk)], "Asked for it by phone")


def test_support_releases_with_a_note_and_others_only_look(
    sue: Client, row: Suppression, send: Callable[..., Message]
) -> None:
    send(enable_unsubscribe=True)
    viewer_user = User.objects.create_user("eve", is_staff=True)
    viewer_user.user_permissions.add(Permission.objects.get(codename="view_suppression"))
    viewer = log_in(viewer_user)
    assert "release_and_resend" not in viewer.get(LIST).content.decode()
    viewer.post(LIST, chosen(row, confirmed="release", note="x"))
    assert Suppression.objects.exists()
    assert "release_and_resend" in sue.get(LIST).content.decode()
    sue.post(LIST, chosen(row, confirmed="release", note="Wrote to us"))
    assert not Suppression.objects.exists()
    assert Message.objects.count() == 1
    assert AuditEntry.objects.get().data["note"] == "Wrote to us"
