"""The statement that says which parts of the tick have work, beside the parts themselves."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import Model
from django.utils import timezone

from messages.models import Message, ReceivedFeedback, Recipient
from messages.sending.due_work import DueWork, find_due_work
from messages.states import StatusReason

Send = Callable[..., Message]

pytestmark = pytest.mark.django_db

PAST = timedelta(seconds=-1)
FUTURE = timedelta(hours=1)


@pytest.mark.parametrize(
    ("work", "late", "early"),
    [
        (DueWork.RECIPIENTS, {"next_attempt_at": PAST}, {"next_attempt_at": FUTURE}),
        (DueWork.EXPIRED, {"expires_at": PAST}, {"expires_at": FUTURE}),
        (DueWork.LOST, {"lease_until": PAST}, {"lease_until": FUTURE}),
        (DueWork.SENDERS, {"status_reason": StatusReason.SENDER_SUSPENDED}, {"status_reason": ""}),
    ],
)
def test_a_recipient_makes_the_work_that_it_needs(
    send: Send, work: DueWork, late: dict[str, object], early: dict[str, object]
) -> None:
    send()
    quiet = {"next_attempt_at": None, "expires_at": timezone.now() + FUTURE}
    token = {"lease_token": uuid4()} if work is DueWork.LOST else {}
    for values, expected in ((early, set()), (late, {work})):
        change(Recipient, {**quiet, **token, **values})
        assert find_work() == expected


def test_a_scheduled_message_is_work_when_its_time_has_come(send: Send) -> None:
    send(scheduled_at=timezone.now() + FUTURE)
    assert find_work() == set()
    change(Message, {"scheduled_at": PAST})
    assert find_work() == {DueWork.SCHEDULED}


def test_feedback_is_work_when_it_is_due() -> None:
    ReceivedFeedback.objects.create(key="one", content={}, due_at=timezone.now() + FUTURE)
    assert find_work() == set()
    change(ReceivedFeedback, {"due_at": PAST})
    assert find_work() == {DueWork.FEEDBACK}


def find_work() -> set[DueWork]:
    """All but the guard's part, which is due once a minute whatever the mail."""
    return find_due_work() - {DueWork.GUARD}


def change(model: type[Model], values: dict[str, object]) -> None:
    """Set columns of all rows; a duration is the time from now."""
    now = timezone.now()
    model._default_manager.update(
        **{name: now + value if isinstance(value, timedelta) else value for name, value in values.items()}
    )
