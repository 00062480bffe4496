"""The simulator's later events: rows that become due, processed by any worker."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ledger.sql import fetch_value
from messages.feedback.recording import apply_due
from messages.models import Message, ReceivedFeedback, Recipient
from messages.sending.composing import compose_raw
from tracking.models import Event, Suppression

Send = Callable[..., Message]
Deliver = Callable[..., None]
pytestmark = pytest.mark.usefixtures("inbox")


@pytest.fixture
def come_true() -> Callable[[], list[float]]:
    """Lets all that is planned happen now; the waits that there were, in seconds."""

    def apply() -> list[float]:
        planned = ReceivedFeedback.objects.filter(due_at__isnull=False).order_by("due_at")
        # The database's clock stands still within a test's transaction.
        now = fetch_value("SELECT now()")
        waits = [round((row.due_at - now).total_seconds(), 3) for row in planned if row.due_at]
        for number, row in enumerate(planned):
            row.due_at = timezone.now() - timedelta(days=1) + timedelta(seconds=number)
            row.save(update_fields=["due_at"])
        apply_due()
        return waits

    return apply


def list_events(message: Message) -> list[str]:
    return list(Event.objects.filter(message_id=message.pk).order_by("position", "id").values_list("type", flat=True))


@pytest.mark.parametrize(
    ("local_part", "before", "events", "status"),
    [
        ("complaint.after.5s", "delivered", ["email.delivered", "email.complained"], "delivered"),
        ("bounce.after.5s", "delivered", ["email.delivered", "email.bounced"], "bounced"),
        ("open.after.5s", "delivered", ["email.delivered", "email.opened"], "delivered"),
        ("unsubscribe.after.5s", "delivered", ["email.delivered", "email.unsubscribed"], "delivered"),
        ("sent.delivered.after.5s", "sent", ["email.sent", "email.delivered"], "delivered"),
        ("sent.delayed.after.5s", "sent", ["email.sent", "email.delivering"], "delivering"),
        ("sent.failed.after.5s", "sent", ["email.sent", "email.failed"], "failed"),
        ("uncertain.delivered.after.5s", "delivering", ["email.delivering", "email.delivered"], "delivered"),
    ],
)
def test_simulated_events_happen_when_their_row_is_due(
    send: Send,
    deliver: Deliver,
    come_true: Callable[[], list[float]],
    local_part: str,
    before: str,
    events: list[str],
    status: str,
) -> None:
    message = send(to=[f"{local_part}@simulator.test"])
    deliver()
    message.refresh_from_db()
    assert message.status == before
    assert come_true() == [5.0]
    message.refresh_from_db()
    assert message.status == status
    assert list_events(message) == ["email.queued", *events]


def test_nothing_is_planned_before_the_mail_was_taken(send: Send, deliver: Deliver) -> None:
    message = send(to=["greylist.2x.then.deliver.open.after.2s.click.after.3s@simulator.test"])
    for expected in (0, 0, 2):
        deliver(is_later=True)
        assert ReceivedFeedback.objects.count() == expected
    message.refresh_from_db()
    assert message.status == "delivered"


def test_a_simulated_click_leads_where_the_first_link_does(
    send: Send, deliver: Deliver, come_true: Callable[[], list[float]]
) -> None:
    message = send(to=["click@simulator.test"], html='<a href="https://shop.test/a">a</a>', track_clicks=True)
    deliver()
    come_true()
    clicked = Event.objects.get(message_id=message.pk, type="email.clicked")
    assert clicked.data["url"] == "https://shop.test/a"
    assert (clicked.data["actor"], clicked.data["source"]) == ("human", "simulator")


def test_simulated_events_suppress_no_address(
    send: Send, deliver: Deliver, come_true: Callable[[], list[float]]
) -> None:
    names = ["bounce.after.1s", "complaint.after.1s", "unsubscribe.after.1s", "550-5.1.1"]
    send(to=[f"{name}@simulator.test" for name in names])
    deliver()
    come_true()
    assert not Suppression.objects.exists()


def test_the_time_scale_cuts_waits_and_is_in_no_mail(
    send: Send, deliver: Deliver, come_true: Callable[[], list[float]], inbox: Any
) -> None:
    scale = [("X-Simulator-Time-Scale", "0.01"), ("X-Kept", "yes")]
    message = send(to=["deferred.then.deliver.open.after.5s@simulator.test"], headers=scale)
    send(to=["real@rcpt.test"], headers=scale)
    deliver()
    waiting = Recipient.objects.get(message=message, domain="simulator.test")
    assert waiting.next_attempt_at is not None
    wait = waiting.next_attempt_at - waiting.attempts.get().finished_at
    assert timedelta(seconds=0.48) <= wait <= timedelta(seconds=0.72)
    deliver(is_later=True)
    assert come_true() == [0.05]
    (mail,) = inbox.mails
    assert b"X-Kept: yes" in mail.content
    assert b"Simulator" not in mail.content
    assert b"Simulator" not in compose_raw(message.pk, waiting)


def test_the_time_scale_means_nothing_to_real_mail(
    send: Send, deliver: Deliver, make_inbox: Callable[..., Any]
) -> None:
    make_inbox(RCPT=["451 4.7.1 later"])
    send(headers=[("X-Simulator-Time-Scale", "0.01")])
    deliver()
    row = Recipient.objects.get()
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - row.attempts.get().finished_at >= timedelta(seconds=48)


def test_a_retry_after_an_uncertain_attempt_plans_nothing_anew(
    send: Send, deliver: Deliver, come_true: Callable[[], list[float]]
) -> None:
    message = send(to=["uncertain.delivered.after.5s@simulator.test"])
    deliver()
    deliver(is_later=True)
    assert come_true() == [5.0]
    assert list_events(message).count("email.delivered") == 1
