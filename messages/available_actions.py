"""The actions that a message's state allows. One table of rules serves the API, the admin and the services."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from messages.models import Message, Recipient
from messages.states import OPEN, Status, StatusReason

UNSETTLED = {Status.QUEUED, Status.SCHEDULED}
RETURNED = {Status.FAILED, Status.BOUNCED}
# A message with its recipients → whether its state allows the action.
Rule = Callable[[Message, Sequence[Recipient]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A request of the API below the email's own path, with its description for people."""

    name: str
    words: str
    method: str = "POST"
    verb: str = ""
    body: Mapping[str, str] | None = None


def is_scheduled(message: Message, _: Sequence[Recipient]) -> bool:
    return message.status == Status.SCHEDULED


def is_held(message: Message, _: Sequence[Recipient]) -> bool:
    return message.status == Status.SCHEDULED and message.status_reason == StatusReason.APPROVAL


def is_resendable(message: Message, _: Sequence[Recipient]) -> bool:
    return message.status not in UNSETTLED


def has_returned(message: Message, recipients: Sequence[Recipient]) -> bool:
    """Whether some, but not all recipients failed or bounced, so that a resend to those differs from a full one."""
    returned = [row for row in recipients if row.status in RETURNED]
    return is_resendable(message, recipients) and 0 < len(returned) < len(recipients)


def is_uncertain(_: Message, recipients: Sequence[Recipient]) -> bool:
    return any(waits_for_person(row) for row in recipients)


def waits_for_person(row: Recipient) -> bool:
    """Whether the outcome of its attempt is unknown, and no worker has it."""
    return row.status == Status.DELIVERING and row.status_reason == StatusReason.UNCERTAIN and row.lease_token is None


def is_waiting(_: Message, recipients: Sequence[Recipient]) -> bool:
    return any(waits_for_retry(row) for row in recipients)


def waits_for_retry(row: Recipient) -> bool:
    """Whether a further attempt waits for its time. An uncertain one is settled instead, as it may arrive twice."""
    return (
        row.status in OPEN
        and row.status_reason != StatusReason.UNCERTAIN
        and row.next_attempt_at is not None
        and row.next_attempt_at > timezone.now()
        and row.lease_token is None
        and not row.parked_by
    )


RULES: Mapping[str, Rule] = {
    "approve": is_held,
    "decline": is_held,
    "cancel": is_scheduled,
    "reschedule": is_scheduled,
    "retry_now": is_waiting,
    "resend": is_resendable,
    "resend_failed": has_returned,
    "resend_to": is_resendable,
    "settle_sent": is_uncertain,
    "settle_retry": is_uncertain,
    "settle_failed": is_uncertain,
}


def is_allowed(name: str, message: Message, recipients: Sequence[Recipient] = ()) -> bool:
    """Whether the message's state allows the action. Those about single recipients need `recipients`."""
    return RULES[name](message, recipients)


ACTIONS: Sequence[Action] = (
    Action(
        name="cancel",
        words="Cancel the email. A cancelled email is never delivered.",
        verb="cancel",
    ),
    Action(
        name="reschedule",
        words="Reschedule the email.",
        method="PATCH",
        body={"scheduled_at": "2030-01-31T12:00:00Z"},
    ),
    Action(
        name="resend",
        words="Resend the email to all recipients, as a new email. Attempts that are under way continue.",
        verb="resend",
    ),
    Action(
        name="resend_failed",
        words="Resend the email to the recipients that failed or bounced.",
        verb="resend",
        body={"recipients": "failed"},
    ),
    *(
        Action(name=f"settle_{word}", words=words, verb="settle", body={"as": word})
        for word, words in (
            ("sent", "Count the email as sent, because it did arrive. No attempt follows."),
            ("retry", "Retry now, although the email may arrive twice."),
            ("failed", "Count the email as failed. No attempt follows."),
        )
    ),
)


def list_actions(message: Message) -> list[Action]:
    """List the actions that the state of `message` allows. Needs `message.shown_recipients`."""
    return [offer for offer in ACTIONS if is_allowed(offer.name, message, message.shown_recipients)]
