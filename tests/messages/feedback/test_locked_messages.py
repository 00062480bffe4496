"""Due feedback of a message that somebody has locked does not hold up the feedback of others."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from ledger.limits import TimeLimits, WorkKind, work_of
from messages.feedback.model import Feedback, FeedbackKind
from messages.feedback.recording import apply_due, plan_feedback
from messages.models import Message, Recipient
from tests.locked_rows import locked_elsewhere
from tests.smtp_server import SmtpServer


@pytest.mark.django_db(transaction=True)
def test_a_locked_message_is_put_off_and_others_are_applied(
    inbox: SmtpServer, send: Callable[..., Message], deliver: Callable[..., None], settings: Any
) -> None:
    held, free = send(to=["held@x.test"]), send(to=["free@x.test"])
    deliver()
    for number, message in enumerate((held, free)):
        bounce = Feedback(
            key=str(number), kind=FeedbackKind.BOUNCED, source="report", recipient_id=message.recipients.get().pk
        )
        plan_feedback(bounce, timedelta(seconds=number - 10))
    short = TimeLimits(timedelta(milliseconds=20), timedelta(seconds=30), timedelta(seconds=30))
    settings.DATABASE_LIMITS = {**settings.DATABASE_LIMITS, "tick": short}
    connection.close()
    with locked_elsewhere(held), work_of(WorkKind.TICK):
        apply_due()
    statuses = dict(Recipient.objects.values_list("address", "status"))
    assert statuses == {"held@x.test": "delivered", "free@x.test": "bounced"}
