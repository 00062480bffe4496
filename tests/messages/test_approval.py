"""Mail of keys that need a person's approval: it waits, and only a person lets it leave."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone

from accounts.services import create_api_key
from common.addresses import parse_address
from messages import services
from messages.accepting.draft import Draft
from messages.explain.explain import explain
from messages.models import Message, Recipient
from messages.selectors import with_details
from messages.sending.due_work import DueWork, find_due_work
from messages.sending.expiry import expire_due
from messages.sending.schedule import release_due
from messages.services import NotAwaitingApprovalError, NotCancellableError
from messages.states import Status
from tracking.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(project, inbox):
    """Accepts an email with a key that needs approval: `held(scheduled_at=…)`."""
    key, _ = create_api_key(project, scopes=["emails:send"], hold_for_approval=True)

    def accept(**values):
        draft = Draft(
            to=[parse_address("one@rcpt.test"), parse_address("two@rcpt.test")],
            **{"from_": parse_address("shop@mine.test"), "subject": "Hi", "text": "Hello.", **values},
        )
        return services.accept(key, [draft])[0]

    return accept


def show(message):
    message.refresh_from_db()
    return message.status, message.status_reason


def explain_words(message):
    return explain(with_details(Message.objects.filter(pk=message.pk)).get()).summary


def shift(message, by):
    """As if the mail had been accepted that much earlier."""
    for row in message.recipients.all():
        Recipient.objects.filter(pk=row.pk).update(expires_at=row.expires_at - by)


def test_it_waits_and_nothing_but_an_approval_releases_it(held, inbox, deliver):
    message = held()
    release_due()
    deliver()
    assert show(message) == ("scheduled", "approval")
    assert inbox.mails == []
    assert "until a person approves it" in explain_words(message).why
    services.reschedule(message, timezone.now() + timedelta(hours=1))
    Message.objects.filter(pk=message.pk).update(scheduled_at=timezone.now() - timedelta(minutes=1))
    assert DueWork.SCHEDULED not in find_due_work()
    release_due()
    assert show(message) == ("scheduled", "approval")


def test_an_approved_mail_leaves_at_once(held, inbox, deliver):
    message = held()
    services.approve(message)
    assert show(message) == ("queued", "")
    deliver()
    assert show(message) == ("delivered", "")
    assert len(inbox.mails) == 2
    with pytest.raises(NotAwaitingApprovalError):
        services.approve(message)


def test_an_approved_mail_waits_for_its_scheduled_time(held):
    at = timezone.now() + timedelta(days=1)
    message = held(scheduled_at=at)
    services.approve(message)
    assert show(message) == ("scheduled", "")
    assert message.recipients.first().expires_at < at + timedelta(days=3)
    Message.objects.filter(pk=message.pk).update(scheduled_at=timezone.now() - timedelta(minutes=1))
    release_due()
    assert show(message) == ("queued", "")


def test_a_declined_mail_is_cancelled(held):
    message = held()
    services.decline(message)
    assert show(message) == ("cancelled", "approval")
    assert "declined" in explain_words(message).why
    assert Event.objects.filter(message_id=message.pk, type="email.cancelled").count() == 1
    with pytest.raises(NotAwaitingApprovalError):
        services.approve(message)


def test_mail_that_is_only_scheduled_is_not_to_be_declined(send):
    message = send(scheduled_at=timezone.now() + timedelta(days=1))
    with pytest.raises(NotAwaitingApprovalError):
        services.decline(message)
    assert show(message) == ("scheduled", "")


def test_the_key_may_cancel_it(held):
    message = held()
    services.cancel(message)
    assert show(message) == ("cancelled", "")
    with pytest.raises(NotCancellableError):
        services.cancel(message)


@pytest.mark.parametrize("days", [0, 3])
def test_unapproved_mail_ends_seven_days_after_it_was_to_leave(held, days):
    message = held(scheduled_at=timezone.now() + timedelta(days=days) if days else None)
    shift(message, timedelta(days=6 + days))
    expire_due()
    assert show(message) == ("scheduled", "approval")
    shift(message, timedelta(days=1, minutes=1))
    assert DueWork.EXPIRED in find_due_work()
    with pytest.raises(NotAwaitingApprovalError):
        services.approve(message)
    assert expire_due() == 2
    assert show(message) == ("cancelled", "approval")
    assert set(message.recipients.values_list("status", flat=True)) == {Status.CANCELLED}


def test_its_own_expiry_holds(held):
    expires_at = timezone.now() + timedelta(hours=1)
    message = held(expires_at=expires_at)
    assert {row.expires_at for row in message.recipients.all()} == {expires_at}
    services.approve(message)
    assert {row.expires_at for row in message.recipients.all()} == {expires_at}


@pytest.mark.parametrize("days", [0, 3])
def test_the_bytes_that_a_person_sees_are_those_that_leave(held, inbox, deliver, admin_client, project, days):
    at = timezone.now() + timedelta(days=days) if days else None
    message = held(html='<a href="https://x.test">x</a>', track_clicks=True, enable_unsubscribe=True, scheduled_at=at)
    Message.objects.filter(pk=message.pk).update(
        created_at=message.created_at - timedelta(days=5), dated_at=message.dated_at - timedelta(days=5)
    )
    seen = admin_client.get(f"/admin/mail/message/{message.pk}/raw/").content
    assert seen == admin_client.get(f"/admin/mail/message/{message.pk}/raw/").content
    services.approve(message)
    if days:
        Message.objects.filter(pk=message.pk).update(scheduled_at=timezone.now() - timedelta(minutes=1))
        release_due()
    deliver()
    assert seen in [mail.content for mail in inbox.mails]


def test_a_new_time_gives_held_mail_a_new_date(held, admin_client):
    message = held()
    at = timezone.now().replace(microsecond=0) + timedelta(days=2)
    services.reschedule(message, at)
    seen = admin_client.get(f"/admin/mail/message/{message.pk}/raw/").content.decode()
    assert f"Date: {format_datetime(at)}\r\n" in seen
