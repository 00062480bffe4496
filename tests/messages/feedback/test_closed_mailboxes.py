"""A mailbox that is only disabled: bounced each time, and suppressed at the third bounce over seven days."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F

from delivery.judging.terms import About, Reason
from messages.feedback.model import Feedback, FeedbackKind
from messages.feedback.recording import receive_feedback
from messages.models import Message, Recipient
from providers.models import Provider
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer
from tracking.models import Event, Suppression

Send = Callable[..., Message]
Deliver = Callable[..., None]
ADDRESS = "ann@rcpt.test"


@pytest.fixture
def bounce(db: None, send: Send, deliver: Deliver) -> Any:
    """Sends a mail that bounces days before now, in the conversation or by a report."""
    with SmtpServer() as server:
        Provider.objects.create(
            name="relay", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{server.port}?tls=never")
        )

        def bounce(days_ago: int, reply: str = "550 5.2.1 mailbox disabled", *, by_report: bool = False) -> None:
            server.script.replies.clear()  # type: ignore[attr-defined]
            if not by_report:
                server.script.replies["RCPT"] = reply  # type: ignore[index]
            message = send(to=[ADDRESS])
            deliver()
            recipient = Recipient.objects.get(message=message)
            if by_report:
                tell(recipient, FeedbackKind.BOUNCED, reason=Reason.DISABLED, about=About.RECIPIENT)
            move_back(message, days_ago)

        yield bounce


def tell(recipient: Recipient, kind: FeedbackKind, **values: Any) -> None:
    receive_feedback(Feedback(key=str(uuid4()), kind=kind, source="report", recipient_id=recipient.pk, **values))


def move_back(message: Message, days: int) -> None:
    events = Event.objects.filter(message_id=message.pk)
    events.update(occurred_at=F("occurred_at") - timedelta(days=days))


def is_suppressed() -> bool:
    return Suppression.objects.filter(address=ADDRESS).exists()


@pytest.mark.parametrize("by_report", [False, True], ids=["conversation", "report"])
def test_the_third_bounce_over_seven_days_suppresses(bounce: Any, by_report: bool) -> None:
    bounce(8, by_report=by_report)
    bounce(4, by_report=by_report)
    assert not is_suppressed()
    bounce(0, by_report=by_report)
    assert Suppression.objects.get().note == "a disabled mailbox: 3 bounces in 8 days without a delivery"
    told = Event.objects.filter(type="email.bounced").order_by("occurred_at").values_list("data", flat=True)
    assert [(data["reason"], data["suppressed"]) for data in told] == [
        ("disabled", done) for done in (False, False, True)
    ]


def test_three_bounces_within_a_week_do_not(bounce: Any) -> None:
    for days_ago in (6, 3, 0):
        bounce(days_ago)
    assert not is_suppressed()


def test_two_bounces_do_not(bounce: Any) -> None:
    for days_ago in (30, 0):
        bounce(days_ago)
    assert not is_suppressed()


def test_bounces_for_other_reasons_do_not_count(bounce: Any) -> None:
    bounce(9)
    bounce(5, "550 5.7.1 rejected as spam")
    bounce(0)
    assert not is_suppressed()


def test_a_delivery_in_between_begins_the_count_anew(bounce: Any, send: Send, deliver: Deliver) -> None:
    bounce(20)
    bounce(15, by_report=True)

    message = send(to=[ADDRESS])
    deliver()
    tell(Recipient.objects.get(message=message), FeedbackKind.DELIVERED)
    move_back(message, 10)
    bounce(0)
    assert not is_suppressed()


def test_another_projects_bounces_do_not_count(bounce: Any) -> None:
    bounce(9)
    bounce(5)
    Recipient.objects.update(project_id=uuid4())
    bounce(0)
    assert not is_suppressed()
