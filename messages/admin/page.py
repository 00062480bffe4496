"""The data of a message's page: state with explanation, recipients, attempts and timeline."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from accounts.models import AuditEntry
from delivery.envelope import Outcome
from messages.admin.actions import ADMIN_ACTIONS, AdminAction
from messages.api.responses import format_mailbox
from messages.explain.attempts import find_attempt_meaning
from messages.explain.context import Background
from messages.explain.explain import explain
from messages.explain.finished import name_stream
from messages.explain.model import MessageExplanation, RecipientExplanation
from messages.explain.status_codes import SUBJECT_WORDS
from messages.models import Attachment, Attempt, Message, Recipient
from messages.selectors import timeline, with_details
from messages.states import Phase, Status
from tracking.models import Event, EventType, Suppression
from tracking.suppressions.reach import MAY_NAME_STREAM

MAX_EVENTS = 500
# The page refreshes itself only for mail that is due within this time, or overdue by less.
SOON = timedelta(seconds=30)

# The colours of states and outcomes, by the names of unfold's labels.
COLOURS: dict[str, str] = {
    Status.SCHEDULED: "info",
    Status.QUEUED: "info",
    Status.SENT: "primary",
    Status.DELIVERING: "warning",
    Status.DELIVERED: "success",
    Status.FAILED: "danger",
    Status.BOUNCED: "danger",
    Status.SUPPRESSED: "default",
    Status.CANCELLED: "default",
    Outcome.ACCEPTED: "primary",
    Outcome.DEFERRED: "warning",
    Outcome.UNCERTAIN: "warning",
}
PHASES = {
    Phase.CLAIMED: "claimed by a worker",
    Phase.STARTED: "sending",
    Phase.DOT_SENT: "sent, waiting for the reply",
}
EVENTS: dict[str, tuple[str, str]] = {
    EventType.SCHEDULED: ("schedule", "Scheduled"),
    EventType.QUEUED: ("hourglass_top", "Queued"),
    EventType.CANCELLED: ("cancel", "Cancelled"),
    EventType.SENT: ("outbound", "Accepted by the provider"),
    EventType.DELIVERING: ("sync", "Deferred"),
    EventType.DELIVERED: ("check_circle", "Delivered"),
    EventType.BOUNCED: ("undo", "Bounced"),
    EventType.FAILED: ("error", "Failed"),
    EventType.SUPPRESSED: ("block", "Suppressed"),
    EventType.OPENED: ("visibility", "Opened"),
    EventType.CLICKED: ("ads_click", "Clicked"),
    EventType.OPENED_SETTLED: ("visibility", "Opened"),
    EventType.CLICKED_SETTLED: ("ads_click", "Clicked"),
    EventType.COMPLAINED: ("report", "Marked as spam"),
    EventType.UNSUBSCRIBED: ("unsubscribe", "Unsubscribed"),
}
SETTLED = frozenset({EventType.OPENED_SETTLED, EventType.CLICKED_SETTLED})
# Members of a settled event that say nothing to a person.
FOR_MACHINES = frozenset({"provisional", "provisional_actor", "event_id", "visited_at"})
WORDS = {True: "yes", False: "no"}
STAFF = {
    "approve": "approved it",
    "decline": "declined it",
    "cancel": "cancelled it",
    "reschedule": "changed its time",
    "retry_now": "started the next attempt",
    "resend": "resent it",
    "resend_failed": "resent it to the failed recipients",
    "resend_to": "resent it to other addresses",
    "settle_sent": "counted it as sent",
    "settle_retry": "retried it",
    "settle_failed": "counted it as failed",
    "settle_email": "settled it",
    "cancel_email": "cancelled it",
    "change_email": "changed its time",
    "read_body": "read it",
}


@dataclass(frozen=True, kw_only=True)
class AttemptStory:
    """An attempt with its duration, label and meaning."""

    row: Attempt
    took: timedelta | None
    state: str
    colour: str
    # The meaning of the reply's codes; empty if it is unknown.
    meaning: str
    # The subject of a refusal, in words; empty for other replies.
    about: str
    # What is known of the attempt, line by line, with the times.
    lines: Sequence[tuple[datetime | None, str]]


@dataclass(frozen=True, kw_only=True)
class RecipientStory:
    """A recipient with its explanation and attempts."""

    row: Recipient
    mailbox: str
    explanation: RecipientExplanation
    colour: str
    attempts: Sequence[AttemptStory]
    # The reason of the address's present suppression; empty without one.
    suppressed: str


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A line of the timeline."""

    at: datetime
    icon: str
    title: str
    address: str = ""
    details: Sequence[tuple[str, str]] = ()
    message_id: str = ""


@dataclass(frozen=True, kw_only=True)
class MessageStory:
    """The data of the page."""

    message: Message
    sender: str
    reply_to: Sequence[str]
    explanation: MessageExplanation
    colour: str
    recipients: Sequence[RecipientStory]
    timeline: Sequence[Moment]
    files: Sequence[Attachment]
    resends: Sequence[Message]
    acts: Sequence[AdminAction] = field(default_factory=tuple)


def build_message_story(message: Message) -> MessageStory:
    """Build the page's data, without bodies, in a fixed number of queries. `message` was read by `with_page`."""
    rows = message.shown_recipients
    explanation = explain(message)
    return MessageStory(
        message=message,
        sender=format_mailbox(message.from_name, message.from_address),
        reply_to=[format_mailbox(each["name"], each["address"]) for each in message.reply_to],
        explanation=explanation,
        colour=COLOURS[message.status],
        recipients=[build_recipient_story(each, explanation.background) for each in explanation.recipients],
        timeline=list_moments(message),
        files=message.shown_attachments,
        resends=list(message.resends.order_by("id")),
        acts=[act for act in ADMIN_ACTIONS.values() if act.is_offered(message, rows)],
    )


def is_moving(message: Message, now: datetime) -> bool:
    """Whether the state will probably change within seconds: a worker has a recipient, or one is due about now."""
    return any(
        row.lease_token is not None or (row.next_attempt_at is not None and abs(row.next_attempt_at - now) < SOON)
        for row in message.shown_recipients
    )


def with_page(messages: QuerySet[Message]) -> QuerySet[Message]:
    """`messages` with the rows for `build_message_story`, and with `has_html` and `has_text` in place of bodies."""
    bodies = {
        f"has_{name}": ExpressionWrapper(Q(**{f"content__{name}__gt": ""}), BooleanField()) for name in ("html", "text")
    }
    related = with_details(messages).select_related("project", "api_key", "domain", "template", "template_version")
    return related.annotate(**bodies)


def build_recipient_story(explanation: RecipientExplanation, background: Background) -> RecipientStory:
    row = explanation.row
    suppression = background.find_suppression(row)
    return RecipientStory(
        row=row,
        mailbox=format_mailbox(row.name, row.address),
        explanation=explanation,
        colour=COLOURS[row.status],
        attempts=[build_attempt_story(attempt, row, background) for attempt in row.shown_attempts],
        suppressed=describe_suppression(suppression) if suppression else "",
    )


def describe_suppression(suppression: Suppression) -> str:
    """The reason, and the stream where it matters."""
    has_scope = suppression.reason in MAY_NAME_STREAM
    return f"{suppression.reason}, {name_stream(suppression.stream)}" if has_scope else suppression.reason


def build_attempt_story(attempt: Attempt, row: Recipient, background: Background) -> AttemptStory:
    took = attempt.finished_at - attempt.started_at if attempt.finished_at and attempt.started_at else None
    state = attempt.outcome or PHASES.get(Phase(attempt.phase), attempt.phase)
    meaning = find_attempt_meaning(attempt, row, background)
    return AttemptStory(
        row=attempt,
        took=took,
        state=state,
        colour=COLOURS.get(attempt.outcome, "default"),
        meaning=meaning.words if meaning else "",
        about=SUBJECT_WORDS.get(attempt.about, ""),
        lines=list(list_lines(attempt)),
    )


def list_lines(attempt: Attempt) -> Iterator[tuple[datetime | None, str]]:
    """The attempt as it went, as far as it was recorded."""
    yield attempt.claimed_at, "a worker claimed it"
    decision = attempt.decision or {}
    for skipped in decision.get("skipped", ()):
        yield None, f"passed over {skipped.get('provider')}: {skipped.get('because')}"
    if attempt.provider_name:
        because = decision.get("because")
        yield None, f"chose {attempt.provider_name}{f', by {because}' if because else ''}"
    if attempt.started_at:
        host = f" to {attempt.remote_host}" if attempt.remote_host else ""
        yield attempt.started_at, f"began the conversation{host}"
    if attempt.finished_at and attempt.remote_host:
        yield None, f"encrypted with {attempt.tls}" if attempt.tls else "without TLS"
    if attempt.phase == Phase.DOT_SENT:
        yield None, "sent the whole message"
    if attempt.reply or attempt.code:
        said = " ".join(str(part) for part in (attempt.code, attempt.enhanced_code, attempt.reply) if part)
        yield attempt.finished_at, f"reply: {said}"
    if attempt.remote_id:
        yield None, f"taken as {attempt.remote_id}"
    if attempt.outcome:
        reason = f", reason {attempt.reason}" if attempt.reason else ""
        yield attempt.finished_at, f"outcome: {attempt.outcome}{reason}"
    if attempt.next_attempt_at:
        yield None, f"the next attempt follows at {attempt.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC"


def list_moments(message: Message) -> list[Moment]:
    """The events and the actions of staff, in order."""
    events = timeline(message.pk)[:MAX_EVENTS]
    entries = AuditEntry.objects.filter(object=str(message.pk)).order_by("id")[:MAX_EVENTS]
    moments = [build_event_moment(event) for event in merge_settled(events)] + [
        build_audit_moment(entry) for entry in entries
    ]
    accepted = Moment(at=message.created_at, icon="add_circle", title=describe_origin(message))
    return [accepted, *sorted(moments, key=lambda moment: moment.at)]


def merge_settled(events: Iterable[Event]) -> list[Event]:
    """Show each visit once, with its settled label in place of the provisional one."""
    shown: dict[str, Event] = {}
    for event in events:
        first = shown.get(str(event.data.get("event_id"))) if event.type in SETTLED else None
        if first is None:
            shown[str(event.pk)] = event
        else:
            first.data = {
                name: value for name, value in {**first.data, **event.data}.items() if name not in FOR_MACHINES
            }
    return list(shown.values())


def describe_origin(message: Message) -> str:
    if message.api_key:
        return f"Accepted with the key {message.api_key}"
    return "Accepted from staff or a command"


def build_event_moment(event: Event) -> Moment:
    icon, title = EVENTS[event.type]
    return Moment(
        at=event.occurred_at,
        icon=icon,
        title=title,
        address=event.address,
        details=list(list_details(event.data)),
    )


def list_details(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """An event's data as pairs, without empty values."""
    told = ((name, WORDS.get(value, value) if isinstance(value, bool) else value) for name, value in data.items())
    return ((name.replace("_", " "), str(value)) for name, value in told if value not in (None, "", [], {}))


def build_audit_moment(entry: AuditEntry) -> Moment:
    words = STAFF.get(entry.action, entry.action.replace("_", " "))
    return Moment(at=entry.at, icon="person", title=f"{entry.actor} {words}", message_id=str(entry.data.get("new", "")))
