"""Explains a message for people: the reason for its state, the next step with its time, and possible actions.

The API, the admin and `show_email` show the same explanation.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from accounts.streams import DEFAULT_STREAM
from messages.explain.attempts import explain_choices
from messages.explain.context import Background, find_last, read_background
from messages.explain.finished import (
    explain_bounced,
    explain_cancelled,
    explain_delivered,
    explain_failed,
    explain_sent,
    explain_suppressed,
    name_stream,
)
from messages.explain.model import MessageExplanation, RecipientExplanation, StateExplanation
from messages.explain.waiting import Case, explain_leased, explain_scheduled, explain_waiting
from messages.explain.wording import say_count, say_time
from messages.message_events import STATUS_EVENTS
from messages.models import Message, Recipient
from messages.states import ROLL_UP, Lane, OnUncertain, Status
from tracking.models import SuppressionReason

MAX_ADVICE = 5
# The states that a refusal in an attempt leads to, or leaves.
REFUSED = frozenset({Status.QUEUED, Status.DELIVERING, Status.BOUNCED, Status.FAILED})

BY_STATUS: Mapping[Status, Callable[[Case], StateExplanation]] = {
    Status.SCHEDULED: explain_scheduled,
    Status.QUEUED: explain_waiting,
    Status.DELIVERING: explain_waiting,
    Status.SENT: explain_sent,
    Status.DELIVERED: explain_delivered,
    Status.BOUNCED: explain_bounced,
    Status.FAILED: explain_failed,
    Status.SUPPRESSED: explain_suppressed,
    Status.CANCELLED: explain_cancelled,
}
LANES: Mapping[str, str] = {
    Lane.CRITICAL: "It uses the lane critical, which workers serve first.",
    Lane.BULK: "It uses the lane bulk, which has separate workers and delays no other mail.",
}


def explain(message: Message) -> MessageExplanation:
    """Explain a message read by `selectors.with_details`, in a fixed number of further queries."""
    rows = message.shown_recipients
    background = read_background(message, rows)
    recipients = [explain_recipient(message, row, background) for row in rows]
    return MessageExplanation(
        message=message,
        summary=sum_up(message, recipients),
        decisions=list(explain_decisions(message)),
        recipients=recipients,
        background=background,
    )


def explain_recipient(message: Message, row: Recipient, background: Background) -> RecipientExplanation:
    """Explain one recipient."""
    case = Case(message, row, background)
    summary = explain_leased(case) if row.lease_token is not None else BY_STATUS[Status(row.status)](case)
    reason, about = find_judgement(row, background)
    return RecipientExplanation(
        row=row,
        summary=summary,
        decisions=[*explain_provider_order(message, row), *explain_ignored_opt_out(case)],
        reason=reason,
        about=about,
        suppression=background.find_suppression(row),
    )


def find_judgement(row: Recipient, background: Background) -> tuple[str, str]:
    """The reason and the subject of the last refusal of a recipient that is not accepted; else empty texts."""
    type_ = STATUS_EVENTS.get(Status(row.status))
    event = background.find_event(row, type_) if type_ else None
    if event and event.data.get("about"):
        return str(event.data.get("reason", "")), str(event.data["about"])
    last = find_last(row)
    return (last.reason, last.about) if last and row.status in REFUSED else ("", "")


def sum_up(message: Message, recipients: Sequence[RecipientExplanation]) -> StateExplanation:
    """Summarize the recipients that have the message's status; the one with the earliest next step comes first."""
    leading = [each for each in recipients if each.row.status == message.status] or list(recipients)
    if not leading:
        return StateExplanation(why="Its recipients were erased.")
    first = min(
        leading,
        key=lambda each: (each.summary.next_at is None, each.summary.next_at and each.summary.next_at.timestamp()),
    )
    if len(recipients) == 1:
        return first.summary
    counts = Counter(Status(each.row.status) for each in recipients)
    # The message's status comes first.
    tally = ", ".join(f"{counts[status]} {status}" for status in dict.fromkeys((*ROLL_UP, *Status)) if counts[status])
    advice = list(dict.fromkeys(words for each in leading for words in each.summary.advice))
    return replace(
        first.summary,
        why=f"Of {say_count(len(recipients), 'recipient')}: {tally}. For {first.row.address}: {first.summary.why}",
        advice=advice[:MAX_ADVICE],
    )


def explain_decisions(message: Message) -> Iterator[str]:
    """The decisions about the whole message, in order."""
    yield f"It was accepted on {say_time(message.created_at)}."
    if message.stream != DEFAULT_STREAM:
        yield f"It belongs to the stream {message.stream}."
    if message.resent_from_id:
        yield f"It is a resend of the email {message.resent_from_id}."
    if message.is_test:
        yield "It was sent with a test key: nothing leaves this service, and the simulator acts as the provider."
    if message.scheduled_at and message.status != Status.SCHEDULED:
        yield f"It was scheduled for {say_time(message.scheduled_at)}."
    if message.priority in LANES:
        yield LANES[message.priority]
    if message.on_uncertain == OnUncertain.HOLD:
        yield "After an uncertain attempt it stays on hold for a person, without a retry (on_uncertain: hold)."
    if message.expires_at:
        yield f"It expires on {say_time(message.expires_at)} and is not sent after that."


def explain_provider_order(message: Message, row: Recipient) -> Iterator[str]:
    """The decisions about one recipient, in order."""
    if row.is_simulated and not message.is_test:
        yield "Mail to this address goes to the simulator: nothing leaves this service."
    yield from explain_choices(row)


def explain_ignored_opt_out(case: Case) -> Iterator[str]:
    """An opt-out of the address that does not hold for this mail."""
    if case.background.kind.obeys_opt_outs:
        return
    for each in case.background.list_suppressions(case.row):
        if each.reason == SuppressionReason.UNSUBSCRIBE and each.stream in {None, case.message.stream}:
            why = "it is critical" if case.message.enable_unsubscribe else "it offers no opt-out"
            yield f"The address has unsubscribed from {name_stream(each.stream)}. That does not stop it, because {why}."
            return
