"""Actions of support staff on messages."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from messages.admin.actions import ADMIN_ACTIONS
from messages.available_actions import ACTIONS, RULES
from messages.models import Message
from messages.states import Status, StatusReason
from tests.admin.people import log_in
from tests.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db
LIST = reverse("admin:mail_message_changelist")


def url(message: Message, name: str = "change") -> str:
    return reverse(f"admin:mail_message_{name}", args=[message.pk])


def move(message: Message, status: Status, reason: StatusReason = StatusReason.NONE, address: str = "") -> None:
    with transaction.atomic():
        rows = message.recipients.filter(address=address) if address else message.recipients.all()
        rows.move_to(status, reason)


def test_support_finds_a_bounced_message_sees_why_resends_it_and_watches_it_delivered(
    sue: Client, send: Callable[..., Message], deliver: Callable[[], None], server: SmtpServer
):
    server.script.replies["RCPT"] = ["554 5.7.1 Refused by policy", None]
    message = send("bob@gone.test", subject="Your invoice")
    deliver()
    found = sue.get(LIST, {"q": "bob@gone.test"}).content.decode()
    assert url(message) in found
    assert "bounced" in found
    story = sue.get(url(message)).content.decode()
    assert "Refused by policy" in story
    answer = sue.post(url(message, "resend"), {"ticket": str(uuid4())})
    new = Message.objects.exclude(pk=message.pk).get()
    assert (answer.status_code, answer["Location"]) == (302, url(new))
    deliver()
    story = sue.get(url(new)).content.decode()
    assert "The recipient&#x27;s server (127.0.0.1) accepted it on " in story
    assert url(message) in story
    old = sue.get(url(message)).content.decode()
    assert url(new) in old
    assert "sue resent it" in old
    assert len(server.mails) == 1


def test_support_resends_a_message_to_other_addresses(
    sue: Client, send: Callable[..., Message], deliver: Callable[[], None], server: SmtpServer
):
    message = send("bob@rcpt.test", subject="Your invoice")
    deliver()
    asked = sue.get(url(message)).content.decode()
    assert 'name="given"' in asked
    refused = sue.post(url(message, "resend_to"), {"ticket": str(uuid4()), "given": "nope, new@rcpt.test"}, follow=True)
    assert "An email address must have an @-sign" in refused.content.decode()
    sue.post(url(message, "resend_to"), {"ticket": str(uuid4()), "given": " "})
    assert Message.objects.count() == 1
    ticket = {"ticket": str(uuid4()), "given": "New <new@rcpt.test>, other@rcpt.test"}
    for _ in range(2):
        sue.post(url(message, "resend_to"), ticket)
    new = Message.objects.exclude(pk=message.pk).get()
    assert sorted(new.recipients.values_list("address", flat=True)) == ["new@rcpt.test", "other@rcpt.test"]
    assert (new.is_forwarded, new.resent_from_id) == (True, message.pk)
    assert "sue resent it to other addresses" in sue.get(url(message)).content.decode()


def test_a_suppressed_address_is_named_before_and_after_a_resend(sue, send, deliver, server: SmtpServer):
    server.script.replies["RCPT"] = "550 5.1.1 No such user"
    message = send("Bob@gone.test")
    deliver()
    assert "on the suppression list (bounce)" in sue.get(url(message)).content.decode()
    sue.post(url(message, "resend"))
    new = Message.objects.exclude(pk=message.pk).get()
    story = sue.get(url(new)).content.decode()
    assert (new.status, "nothing was sent" in story) == (Status.FAILED, True)


def test_a_scheduled_message_is_cancelled_and_by_whom_is_put_down(sue, send):
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    assert url(message, "cancel") in sue.get(url(message)).content.decode()
    assert sue.post(url(message, "cancel")).status_code == 302
    message.refresh_from_db()
    assert message.status == Status.CANCELLED
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object) == ("sue", "cancel", str(message.pk))


def test_a_queued_message_is_neither_cancelled_nor_resent(sue, send):
    message = send()
    page = sue.get(url(message)).content.decode()
    for name in ("cancel", "resend"):
        assert url(message, name) not in page
        answer = sue.post(url(message, name), follow=True)
        assert "queued" in answer.content.decode()
    assert (Message.objects.count(), AuditEntry.objects.count()) == (1, 0)
    assert Message.objects.get().status == Status.QUEUED


def test_a_button_pressed_twice_resends_once(sue, send):
    message = send()
    move(message, Status.BOUNCED, StatusReason.REFUSED)
    form = {"ticket": str(uuid4())}
    first, second = (sue.post(url(message, "resend"), form)["Location"] for _ in range(2))
    assert first == second
    assert Message.objects.count() == 2
    assert AuditEntry.objects.count() == 1


def test_only_those_that_failed_can_be_sent_to_again(sue, send):
    message = send("good@x.test", "bad@x.test")
    move(message, Status.BOUNCED, StatusReason.REFUSED, "bad@x.test")
    move(message, Status.DELIVERED, address="good@x.test")
    assert url(message, "resend_failed") in sue.get(url(message)).content.decode()
    sue.post(url(message, "resend_failed"))
    new = Message.objects.exclude(pk=message.pk).get()
    assert [row.address for row in new.recipients.all()] == ["bad@x.test"]


@pytest.mark.parametrize(
    ("name", "status"),
    [("settle_sent", Status.SENT), ("settle_retry", Status.DELIVERING), ("settle_failed", Status.FAILED)],
)
def test_an_uncertain_attempt_is_settled(sue, send, name, status):
    message = send()
    assert url(message, name) not in sue.get(url(message)).content.decode()
    move(message, Status.DELIVERING, StatusReason.UNCERTAIN)
    assert url(message, name) in sue.get(url(message)).content.decode()
    sue.post(url(message, name))
    row = message.recipients.get()
    assert (row.status, row.status_reason) == (status, StatusReason.SETTLED)
    assert AuditEntry.objects.get().action == name


def test_a_resent_test_message_stays_one(sue, send):
    message = send()
    Message.objects.filter(pk=message.pk).update(is_test=True)
    move(message, Status.BOUNCED, StatusReason.REFUSED)
    sue.post(url(message, "resend"))
    assert Message.objects.exclude(pk=message.pk).get().is_test


def test_acting_needs_a_post_a_token_and_the_permission(send):
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    viewer_user = User.objects.create_user("eve", is_staff=True)
    viewer_user.user_permissions.add(Permission.objects.get(codename="view_message"))
    viewer = log_in(viewer_user)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"), backend="django.contrib.auth.backends.ModelBackend")
    assert url(message, "cancel") not in viewer.get(url(message)).content.decode()
    for name in ADMIN_ACTIONS:
        assert viewer.get(url(message, name)).status_code == 405
        assert viewer.post(url(message, name)).status_code == 403
        assert strict.post(url(message, name)).status_code == 403
        assert Client().post(url(message, name)).status_code == 302
    message.refresh_from_db()
    assert message.status == Status.SCHEDULED


def run_action(client: Client, name: str, *messages: Message, **form: str):
    return client.post(LIST, {"action": name, "_selected_action": [str(each.pk) for each in messages], **form})


def test_many_are_cancelled_after_a_question(sue, send):
    at = timezone.now() + timedelta(hours=1)
    scheduled, queued = [send(scheduled_at=at), send(scheduled_at=at)], send()
    asked = run_action(sue, "cancel_selected", *scheduled, queued)
    page = asked.content.decode()
    assert "Cancel 2 messages?" in page
    assert f">{at:%Y-%m-%d %H:%M:%S}</time>" in page
    assert page.count('name="_selected_action"') == page.count("to <bdi>one@rcpt.test") - 1 == 2
    assert "Left out, because the state does not allow it" in page
    form = {"action": "cancel_selected", "_selected_action": [str(scheduled[0].pk)]}
    assert f'href="{LIST}?q=to%3Aone">Back' in sue.post(f"{LIST}?q=to%3Aone", form).content.decode()
    assert not AuditEntry.objects.exists()
    done = run_action(sue, "cancel_selected", *scheduled, queued, act="cancel", ticket=str(uuid4()))
    assert done.status_code == 302
    assert set(Message.objects.filter(status=Status.CANCELLED)) == set(scheduled)
    told = sue.get(LIST).content.decode()
    assert "done for 2 of 3" in told
    assert "this one is queued" in told


def test_many_are_resent_once_after_a_question(sue, send):
    bounced = [send(), send()]
    for message in bounced:
        move(message, Status.BOUNCED, StatusReason.REFUSED)
    assert "Resend 2 messages?" in run_action(sue, "resend_selected", *bounced).content.decode()
    ticket = str(uuid4())
    for _ in range(2):
        run_action(sue, "resend_selected", *bounced, act="resend", ticket=ticket)
    assert Message.objects.filter(resent_from__in=bounced).count() == 2
    assert AuditEntry.objects.filter(action="resend").count() == 2


def test_an_action_does_only_what_its_name_says(sue, send):
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    asked = run_action(sue, "resend_selected", message, act="cancel", ticket=str(uuid4()))
    assert "Resend: not possible" in asked.content.decode()
    message.refresh_from_db()
    assert message.status == Status.SCHEDULED


def test_view_only_users_get_no_actions(send):
    message = send()
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_message"))
    viewer = log_in(user)
    assert "cancel_selected" not in viewer.get(LIST).content.decode()
    run_action(viewer, "cancel_selected", message, act="cancel")
    assert not AuditEntry.objects.exists()


def test_a_waiting_message_is_retried_now_and_a_scheduled_one_is_given_another_time(sue, send):
    waiting = send()
    waiting.recipients.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    assert url(waiting, "retry_now") in sue.get(url(waiting)).content.decode()
    sue.post(url(waiting, "retry_now"))
    assert waiting.recipients.get().next_attempt_at <= timezone.now()
    assert "waits for the time of its next attempt" in sue.post(url(waiting, "retry_now"), follow=True).content.decode()
    scheduled = send(scheduled_at=timezone.now() + timedelta(days=1))
    later = (timezone.now() + timedelta(days=2)).replace(second=0, microsecond=0)
    sue.post(url(scheduled, "reschedule"), {"given": f"{later:%Y-%m-%dT%H:%M}"})
    scheduled.refresh_from_db()
    assert scheduled.scheduled_at == later
    for wrong in ("tomorrow", "", "2001-01-01 00:00", "9999-12-31T23:59-12:00"):
        assert sue.post(url(scheduled, "reschedule"), {"given": wrong}).status_code == 302
    scheduled.refresh_from_db()
    assert scheduled.scheduled_at == later
    assert "sue changed its time" in sue.get(url(scheduled)).content.decode()


def test_uncertain_messages_are_a_list_and_are_settled_in_bulk(sue, send):
    uncertain, other = [send(), send()], send()
    for message in uncertain:
        move(message, Status.DELIVERING, StatusReason.UNCERTAIN)
    listed = sue.get(LIST, {"q": "status:delivering reason:uncertain"}).content.decode()
    assert all(str(message.pk) in listed for message in uncertain)
    assert str(other.pk) not in listed
    asked = run_action(sue, "settle_selected", *uncertain, other).content.decode()
    assert "Settle as sent 2 messages?" in asked
    run_action(sue, "settle_selected", *uncertain, act="settle_failed", ticket=str(uuid4()))
    assert set(Message.objects.filter(status=Status.FAILED)) == set(uncertain)
    assert AuditEntry.objects.filter(action="settle_failed").count() == 2


def test_the_page_bulk_actions_and_services_have_one_rule():
    assert set(ADMIN_ACTIONS) == set(RULES)
    assert {offer.name for offer in ACTIONS} < set(RULES)
