"""What may be done with a message in its state, and how the API is asked to do it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from messages.models import Message, Recipient
from messages.states import Status, StatusReason

UNSETTLED = {Status.QUEUED, Status.SCHEDULED}
RETURNED = {Status.FAILED, Status.BOUNCED}
Rule = Callable[[Message, Sequence[Recipient]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A request of the API, below the email's own path, and what it does in words."""

    name: str
    words: str
    is_offered: Rule
    method: str = "POST"
    verb: str = ""
    body: Mapping[str, str] | None = None


def is_scheduled(message: Message, _: Sequence[Recipient]) -> bool:
    return message.status == Status.SCHEDULED


def is_resendable(message: Message, _: Sequence[Recipient]) -> bool:
    return message.status not in UNSETTLED


def has_returned(message: Message, recipients: Sequence[Recipient]) -> bool:
    """Some of several recipients failed: to resend to those alone differs from resending to all."""
    returned = [row for row in recipients if row.status in RETURNED]
    return is_resendable(message, recipients) and 0 < len(returned) < len(recipients)


def is_uncertain(_: Message, recipients: Sequence[Recipient]) -> bool:
    return any(
        row.status == Status.DELIVERING and row.status_reason == StatusReason.UNCERTAIN and row.lease_token is None
        for row in recipients
    )


ACTIONS: Sequence[Action] = (
    Action(name="cancel", words="Cancel it: it is never delivered then.", is_offered=is_scheduled, verb="cancel"),
    Action(
        name="reschedule",
        words="Give it another time.",
        is_offered=is_scheduled,
        method="PATCH",
        body={"scheduled_at": "2030-01-31T12:00:00Z"},
    ),
    Action(
        name="resend",
        words="Send it again to all recipients, as a new email. What is under way goes on.",
        is_offered=is_resendable,
        verb="resend",
    ),
    Action(
        name="resend_failed",
        words="Send it again to those that failed or bounced.",
        is_offered=has_returned,
        verb="resend",
        body={"recipients": "failed"},
    ),
    *(
        Action(name=f"settle_{word}", words=words, is_offered=is_uncertain, verb="settle", body={"as": word})
        for word, words in (
            ("sent", "It did arrive: count it as sent, and try no more."),
            ("retry", "Try it again now, although it may arrive twice."),
            ("failed", "Give it up: count it as failed."),
        )
    ),
)


def list_actions(message: Message) -> list[Action]:
    """What may be done with a message whose recipients were read."""
    return [offer for offer in ACTIONS if offer.is_offered(message, message.shown_recipients)]
