"""Feedback on delivered mail, from any source and in any number."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from delivery.judging.terms import About, Reason
from messages.feedback.model import Feedback, FeedbackKind, FeedbackResult
from messages.feedback.recording import apply_due, receive_feedback
from messages.models import Attempt, Message, ReceivedFeedback, Recipient
from messages.states import OnUncertain, Status
from providers.models import Provider
from tests.provider_rows import settings_of
from tests.smtp_server import Cut, Script, SmtpServer
from tracking.models import Event, Suppression

Send = Callable[..., Message]
Deliver = Callable[..., None]


@pytest.fixture
def relay(db: None) -> Iterator[SmtpServer]:
    """A relay: its 250 is `sent`."""
    with SmtpServer() as server:
        Provider.objects.create(
            name="relay", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{server.port}?tls=never")
        )
        yield server


@pytest.fixture
def sent(relay: SmtpServer, send: Send, deliver: Deliver) -> Recipient:
    """A recipient whose mail a relay took."""
    send()
    deliver()
    return Recipient.objects.get()


def say(recipient: Recipient, kind: FeedbackKind, **values: Any) -> FeedbackResult:
    key = values.pop("key", f"{kind}:{recipient.pk}")
    return receive_feedback(Feedback(key=key, kind=kind, source="relay", recipient_id=recipient.pk, **values))


def status_of(recipient: Recipient) -> str:
    recipient.refresh_from_db()
    return recipient.status


def list_types() -> list[str]:
    return [type_.removeprefix("email.") for type_ in Event.objects.order_by("id").values_list("type", flat=True)]


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (["delivered"], "delivered"),
        (["bounced"], "bounced"),
        (["failed"], "failed"),
        (["delayed"], "delivering"),
        (["delayed", "delivered"], "delivered"),
        (["delayed", "bounced"], "bounced"),
        (["delivered", "bounced"], "bounced"),
        (["delivered", "delayed"], "delivered"),
        (["delayed", "accepted"], "delivering"),
        (["accepted"], "sent"),
        (["bounced", "delivered"], "bounced"),
        (["failed", "bounced"], "failed"),
        (["complained"], "sent"),
        (["delivered", "complained"], "delivered"),
    ],
)
def test_states_only_move_forward_whatever_is_said_and_when(sent: Recipient, kinds: list[str], status: str) -> None:
    for kind in kinds:
        assert say(sent, FeedbackKind(kind)) is FeedbackResult.APPLIED
    assert status_of(sent) == status
    assert sent.message.status == status
    assert sent.next_attempt_at is None


def test_the_same_said_twice_does_nothing(sent: Recipient) -> None:
    assert say(sent, FeedbackKind.COMPLAINED, key="k") is FeedbackResult.APPLIED
    assert say(sent, FeedbackKind.COMPLAINED, key="k") is FeedbackResult.KNOWN
    assert list_types().count("complained") == 1


def test_an_event_shows_the_source_and_the_reply(sent: Recipient) -> None:
    say(
        sent,
        FeedbackKind.BOUNCED,
        code=550,
        enhanced_code="5.1.1",
        reply="no such user",
        reason=Reason.NO_SUCH_USER,
        about=About.RECIPIENT,
    )
    event = Event.objects.get(type="email.bounced")
    assert event.recipient_id == sent.pk
    assert event.data == {
        "source": "relay",
        "code": 550,
        "enhanced_code": "5.1.1",
        "reply": "no such user",
        "reason": "no_such_user",
        "about": "recipient",
        "suppressed": False,
    }
    assert Recipient.objects.get().last_reply == "no such user"


def test_only_hard_bounces_and_complaints_suppress(sent: Recipient) -> None:
    say(sent, FeedbackKind.BOUNCED, reply="mailbox full", key="soft")
    assert not Suppression.objects.exists()
    say(sent, FeedbackKind.BOUNCED, should_suppress=True, enhanced_code="5.1.1", key="hard")
    row = Suppression.objects.get()
    assert (row.address, row.reason, row.note, row.message_id) == ("one@rcpt.test", "bounce", "5.1.1", sent.message_id)
    say(sent, FeedbackKind.COMPLAINED)
    assert list(Suppression.objects.order_by("id").values_list("reason", flat=True)) == ["bounce", "complaint"]


def test_an_unsubscribe_at_the_provider_suppresses(sent: Recipient) -> None:
    say(sent, FeedbackKind.UNSUBSCRIBED)
    assert (Suppression.objects.get().reason, list_types()[-1]) == ("unsubscribe", "unsubscribed")


def test_opens_are_posted_only_to_subscribed_endpoints(relay: SmtpServer, send: Send, deliver: Deliver) -> None:
    asked, silent = send(to=["a@x.test"], track_opens=True, html="<p>Hi"), send(to=["b@x.test"])
    deliver()
    for message in (asked, silent):
        assert say(message.recipients.get(), FeedbackKind.OPENED) is FeedbackResult.APPLIED
    assert list(Event.objects.filter(type="email.opened").values_list("message_id", flat=True)) == [asked.pk]


def test_mail_that_was_never_tried_is_not_spoken_of(relay: SmtpServer, send: Send) -> None:
    message = send()
    for kind in FeedbackKind:
        assert say(message.recipients.get(), kind) is FeedbackResult.UNKNOWN
    assert status_of(message.recipients.get()) == Status.QUEUED
    assert not ReceivedFeedback.objects.exists()


def test_one_address_of_several_is_found_in_any_case(relay: SmtpServer, send: Send, deliver: Deliver) -> None:
    message = send(to=["one@rcpt.test", "Two@rcpt.test"])
    deliver()

    def say_of(address: str) -> FeedbackResult:
        feedback = Feedback(
            key=address, kind=FeedbackKind.DELIVERED, source="esp", message_id=message.pk, address=address
        )
        return receive_feedback(feedback)

    assert say_of("two@RCPT.test") is FeedbackResult.APPLIED
    assert say_of("three@rcpt.test") is FeedbackResult.UNKNOWN
    assert say_of("") is FeedbackResult.UNKNOWN
    assert dict(Recipient.objects.values_list("address", "status")) == {
        "one@rcpt.test": "sent",
        "Two@rcpt.test": "delivered",
    }


def test_a_provider_speaks_only_of_mail_that_it_was_given(sent: Recipient) -> None:
    other = Provider.objects.create(name="other", kind="simulator")
    assert say(sent, FeedbackKind.BOUNCED, provider_id=other.pk) is FeedbackResult.UNKNOWN
    assert say(sent, FeedbackKind.BOUNCED, provider_id=Provider.objects.get(name="relay").pk) is FeedbackResult.APPLIED


def test_feedback_on_a_leased_recipient_is_recorded_later(sent: Recipient) -> None:
    Recipient.objects.update(lease_token=uuid4(), lease_until=timezone.now())
    assert say(sent, FeedbackKind.BOUNCED) is FeedbackResult.LATER
    assert say(sent, FeedbackKind.BOUNCED) is FeedbackResult.KNOWN
    assert status_of(sent) == "sent"
    wait_over()
    assert apply_due() == 1
    assert status_of(sent) == "sent"
    Recipient.objects.update(lease_token=None, lease_until=None)
    wait_over()
    assert apply_due() == 1
    assert status_of(sent) == "bounced"
    row = ReceivedFeedback.objects.get()
    assert (row.due_at, row.content) == (None, {})
    assert apply_due() == 0


def test_an_event_that_is_quicker_than_the_answer_waits_for_the_esps_id(sent: Recipient) -> None:
    provider = Provider.objects.get()
    feedback = Feedback(
        key="k",
        kind=FeedbackKind.DELIVERED,
        source="esp",
        remote_id="esp-1",
        provider_id=provider.pk,
        address=sent.address,
    )
    assert receive_feedback(feedback) is FeedbackResult.LATER
    Attempt.objects.update(remote_id="esp-1")
    wait_over()
    apply_due()
    assert status_of(sent) == "delivered"


def test_an_event_about_others_mail_is_forgotten_in_the_end(sent: Recipient) -> None:
    provider = Provider.objects.get()
    assert receive_feedback(
        Feedback(key="k", kind=FeedbackKind.BOUNCED, source="esp", remote_id="not-ours", provider_id=provider.pk)
    ) is (FeedbackResult.LATER)
    for _ in range(3):
        wait_over()
        assert apply_due() == 1
    assert not ReceivedFeedback.objects.exists()
    assert status_of(sent) == "sent"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("accepted", "sent"), ("delayed", "delivering"), ("delivered", "delivered"), ("opened", "sent")],
)
@pytest.mark.parametrize("policy", list(OnUncertain))
def test_feedback_settles_an_uncertain_attempt(
    db: None, send: Send, deliver: Deliver, kind: str, status: str, policy: OnUncertain
) -> None:
    with SmtpServer(Script(replies={".": [Cut()]})) as server:
        Provider.objects.create(
            name="relay", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{server.port}?tls=never")
        )
        send(on_uncertain=policy, track_opens=True, html="<p>Hi")
        deliver()
        recipient = Recipient.objects.get()
        assert recipient.status_reason == "uncertain"
        say(recipient, FeedbackKind(kind))
        assert status_of(recipient) == status
        assert (recipient.next_attempt_at, recipient.status_reason == "uncertain") == (None, False)
        deliver(is_later=True)
        assert Attempt.objects.count() == 1


def wait_over() -> None:
    """The waits of all feedback are over. The database's clock stands still within a test's transaction."""
    ReceivedFeedback.objects.filter(due_at__isnull=False).update(due_at=timezone.now() - timedelta(days=1))
