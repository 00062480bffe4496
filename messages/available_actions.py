"""The actions that a message's state allows, each with the API request that performs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from messages.models import Message, Recipient
from messages.states import Status, StatusReason

UNSETTLED = {Status.QUEUED, Status.SCHEDULED}
RETURNED = {Status.FAILED, Status.BOUNCED}
Rule = Callable[[Message, Sequence[Recipient]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A request of the API below the email's own path, with its description for people."""

    name: str
    words: str
    is_offered: Rule
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
    return any(
        row.status == Status.DELIVERING and row.status_reason == StatusReason.UNCERTAIN and row.lease_token is None
        for row in recipients
    )


ACTIONS: Sequence[Action] = (
    Action(
        name="cancel",
        words="Cancel the email. A cancelled email is never delivered.",
        is_offered=is_scheduled,
        verb="cancel",
    ),
    Action(
        name="reschedule",
        words="Reschedule the email.",
        is_offered=is_scheduled,
        method="PATCH",
        body={"scheduled_at": "2030-01-31T12:00:00Z"},
    ),
    Action(
        name="resend",
        words="Resend the email to all recipients, as a new email. Attempts that are under way continue.",
        is_offered=is_resendable,
        verb="resend",
    ),
    Action(
        name="resend_failed",
        words="Resend the email to the recipients that failed or bounced.",
        is_offered=has_returned,
        verb="resend",
        body={"recipients": "failed"},
    ),
    *(
        Action(name=f"settle_{word}", words=words, is_offered=is_uncertain, verb="settle", body={"as": word})
        for word, words in (
            ("sent", "Count the email as sent, because it did arrive. No attempt follows."),
            ("retry", "Retry now, although the email may arrive twice."),
            ("failed", "Count the email as failed. No attempt follows."),
        )
    ),
)


def list_actions(message: Message) -> list[Action]:
    """List the actions that the state of `message` allows. Needs `message.shown_recipients`."""
    return [offer for offer in ACTIONS if offer.is_offered(message, message.shown_recipients)]
