"""The only place that applies feedback to recipients after the hand-over.

Each source builds `Feedback` and calls `receive_feedback`. A repetition changes nothing. The order of reports does not
matter for the final state, because states only move forward. Feedback about unknown recipients is deleted.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.db import OperationalError, transaction

from delivery.judging.terms import About, Reason
from ledger.limits import is_lock_timeout
from ledger.sql import execute, fetch, fetch_value
from messages.feedback.closed_mailboxes import Mailbox, find_closed
from messages.feedback.model import Feedback, FeedbackKind, FeedbackResult, dump_feedback, load_feedback
from messages.feedback.targets import (
    FeedbackTarget,
    find_feedback_message,
    find_feedback_recipient,
    lock_target,
)
from messages.message_events import STATUS_EVENTS, describe_judgement
from messages.states import TRANSITIONS, Status, StatusReason
from messages.transitions import AppliedTransition, Transition, apply_transitions, lock_messages
from tracking.engagement.bot_detection import Label
from tracking.engagement.user_agents import Actor
from tracking.engagement.visits import FollowedLink, VisitSubject, record_reported_visit
from tracking.events import Fact, record_facts
from tracking.models import EventType, SuppressionReason, SuppressionWay
from tracking.suppressions.identity_refusals import identity_refusals
from tracking.suppressions.service import Entry, suppress_many
from tracking.suppressions.waves import Bounce, suppress_bounced

log = structlog.get_logger(__name__)

# The limit for one tick; the next tick continues.
MAX_AT_ONCE = 1_000
# The wait while a worker has leased the recipient.
LEASED_WAIT = timedelta(seconds=2)
# The wait while another transaction has locked the message for longer than a tick waits.
LOCKED_WAIT = timedelta(seconds=30)
# An ESP's event may arrive before the response with the ESP's id is recorded. After these waits it counts as unknown.
UNKNOWN_WAITS = (timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=10))
# The time for which repetitions are recognized.
KEPT = timedelta(days=30)
MAX_REPLY = 1_000

# The state and reason for each kind. Kinds without a state prove at least that the provider accepted the message.
STATES: Mapping[FeedbackKind, tuple[Status, StatusReason]] = {
    FeedbackKind.ACCEPTED: (Status.SENT, StatusReason.NONE),
    FeedbackKind.DELAYED: (Status.DELIVERING, StatusReason.DEFERRED),
    FeedbackKind.DELIVERED: (Status.DELIVERED, StatusReason.NONE),
    FeedbackKind.BOUNCED: (Status.BOUNCED, StatusReason.REFUSED),
    FeedbackKind.FAILED: (Status.FAILED, StatusReason.PROVIDER_ERROR),
}
# The kinds that have an event but no state.
FACTS: Mapping[FeedbackKind, EventType] = {
    FeedbackKind.COMPLAINED: EventType.COMPLAINED,
    FeedbackKind.UNSUBSCRIBED: EventType.UNSUBSCRIBED,
}
VISITS = frozenset({FeedbackKind.OPENED, FeedbackKind.CLICKED})
# The kinds that are recorded for the message where the recipient is unknown: no state changes, nobody is suppressed.
OF_MESSAGE: Mapping[FeedbackKind, EventType] = {
    FeedbackKind.BOUNCED: EventType.BOUNCED,
    FeedbackKind.COMPLAINED: EventType.COMPLAINED,
    FeedbackKind.UNSUBSCRIBED: EventType.UNSUBSCRIBED,
}
SUPPRESSIONS: Mapping[FeedbackKind, str] = {
    FeedbackKind.COMPLAINED: SuppressionReason.COMPLAINT,
    FeedbackKind.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBE,
}

# The first insert takes the key. A concurrent insert of the same key waits for its transaction.
_TAKE = """
INSERT INTO mail_receivedfeedback (key, content, due_at, postponed_count) VALUES (%s, '{}', NULL, 0)
ON CONFLICT (key) DO NOTHING RETURNING id
"""
_POSTPONE = """
UPDATE mail_receivedfeedback SET content = %s::jsonb, due_at = now() + %s, postponed_count = postponed_count + 1 WHERE
id = %s
"""
_PLAN = """
INSERT INTO mail_receivedfeedback (key, content, due_at, postponed_count) VALUES (%s, %s::jsonb, now() + %s, 0)
ON CONFLICT (key) DO NOTHING
"""
_DUE = """
SELECT id, content, postponed_count FROM mail_receivedfeedback WHERE due_at <= now()
ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""


_LET_WAIT = "UPDATE mail_receivedfeedback SET due_at = now() + %s WHERE id = %s"


def receive_feedback(feedback: Feedback) -> FeedbackResult:
    """Apply or postpone feedback, in one transaction. After the return it is stored durably."""
    with transaction.atomic():
        row_id = fetch_value(_TAKE, [feedback.key])
        return FeedbackResult.KNOWN if row_id is None else _settle(row_id, feedback, postponed_count=0)


def plan_feedback(feedback: Feedback, after: timedelta) -> None:
    """Store feedback to be applied after a time, in the caller's transaction. The simulator plans its events so."""
    execute(_PLAN, [feedback.key, dump_feedback(feedback), after])


def apply_due() -> int:
    """Apply postponed and planned feedback that is due, and return its number.

    Each row has its own transaction, which locks the row and waits for no network, so no lease is needed. One row per
    transaction also avoids deadlocks: message locks are taken in the order of ids, or one at a time.
    """
    count = 0
    while count < MAX_AT_ONCE and _apply_one():
        count += 1
    return count


def _apply_one() -> bool:
    with transaction.atomic():
        for row_id, content, postponed_count in (due := fetch(_DUE)):
            try:
                with transaction.atomic():
                    _settle(row_id, load_feedback(content), postponed_count=postponed_count)
            except OperationalError as error:
                if not is_lock_timeout(error):
                    raise
                # Somebody holds the message for long: the feedback of other mail goes first.
                execute(_LET_WAIT, [LOCKED_WAIT, row_id])
    return bool(due)


def purge() -> int:
    """Delete keys that are too old to be repeated, and return their number."""
    return execute("DELETE FROM mail_receivedfeedback WHERE due_at IS NULL AND received_at < now() - %s", [KEPT])


def _settle(row_id: int, feedback: Feedback, *, postponed_count: int) -> FeedbackResult:
    """Apply, postpone or delete feedback whose row the caller has locked."""
    result = _apply(feedback)
    wait = _find_wait(result, feedback, postponed_count)
    if wait is not None:
        execute(_POSTPONE, [dump_feedback(feedback), wait, row_id])
        return FeedbackResult.LATER
    if result is FeedbackResult.UNKNOWN:
        execute("DELETE FROM mail_receivedfeedback WHERE id = %s", [row_id])
        log.info("feedback_unknown", source=feedback.source, kind=feedback.kind)
    else:
        execute("UPDATE mail_receivedfeedback SET content = '{}', due_at = NULL WHERE id = %s", [row_id])
    return result


def _find_wait(result: FeedbackResult, feedback: Feedback, postponed_count: int) -> timedelta | None:
    """The time until feedback is applied again; None when it is not postponed."""
    if result is FeedbackResult.LATER:
        return LEASED_WAIT
    is_early = feedback.remote_id and not feedback.message_id and not feedback.recipient_id
    if result is FeedbackResult.UNKNOWN and is_early and postponed_count < len(UNKNOWN_WAITS):
        return UNKNOWN_WAITS[postponed_count]
    return None


def _apply(feedback: Feedback) -> FeedbackResult:
    """Change the recipient's state, record events, and suppress the address where the feedback asks for it."""
    found = find_feedback_recipient(feedback)
    if found is None:
        return _apply_to_message(feedback)
    recipient_id, message_id = found
    lock_messages([message_id])
    target = lock_target(recipient_id)
    if target is None:
        return FeedbackResult.UNKNOWN
    if target.is_leased:
        return FeedbackResult.LATER
    transition = choose_feedback_transition(feedback, target)
    applied = apply_transitions([transition]) if transition else []
    changed = [row for row in applied if row.status is not target.status]
    _count_identity_refusal(feedback, target)
    note = _find_suppression_note(feedback, target, is_first=bool(changed))
    is_suppressed = note is not None and _suppress(feedback, target, note)
    is_bounce = feedback.kind is FeedbackKind.BOUNCED
    _record_feedback_events(feedback, target, changed, is_suppressed=is_suppressed if is_bounce else None)
    return FeedbackResult.APPLIED


def _apply_to_message(feedback: Feedback) -> FeedbackResult:
    """Record an event of the whole message for feedback about one of its recipients, nobody knows which."""
    type_ = OF_MESSAGE.get(feedback.kind)
    found = find_feedback_message(feedback) if type_ else None
    if type_ is None or found is None:
        return FeedbackResult.UNKNOWN
    message_id, project_id = found
    lock_messages([message_id])
    record_facts([Fact(project_id=project_id, message_id=message_id, type=type_, data=feedback_event_data(feedback))])
    return FeedbackResult.APPLIED


def choose_feedback_transition(feedback: Feedback, target: FeedbackTarget) -> Transition | None:
    """The recipient's transition, or None when its state stays.

    The acceptance by the provider matters only while an attempt is pending: it ends the uncertainty and the retries.
    """
    status, reason = STATES.get(feedback.kind, (Status.SENT, StatusReason.NONE))
    if feedback.kind not in STATES and not (target.is_pending and target.status is Status.DELIVERING):
        return None
    if feedback.kind is FeedbackKind.ACCEPTED and not target.is_pending:
        return None
    if status is target.status and not target.is_pending:
        return None
    if status is not target.status and status not in TRANSITIONS[target.status]:
        return None
    if feedback.is_vague and target.status is Status.DELIVERED:
        return None
    return Transition(
        recipient_id=target.recipient_id,
        message_id=target.message_id,
        status=status,
        reason=reason,
        last_reply=feedback.reply[:MAX_REPLY] or None,
    )


def _record_feedback_events(
    feedback: Feedback, target: FeedbackTarget, applied: list[AppliedTransition], *, is_suppressed: bool | None
) -> None:
    """Record the event of a new state, and the event of a kind without a state."""
    if feedback.kind in VISITS and target.wants(feedback.kind):
        _record_visit(feedback, target)
    types = [STATUS_EVENTS[row.status] for row in applied]
    if feedback.kind in FACTS and target.wants(feedback.kind):
        types.append(FACTS[feedback.kind])
    record_facts(
        [
            Fact(
                project_id=target.project_id,
                message_id=target.message_id,
                recipient_id=target.recipient_id,
                address=target.address,
                type=type_,
                data=feedback_event_data(feedback, target.stream, is_suppressed=is_suppressed),
            )
            for type_ in types
        ]
    )


def _record_visit(feedback: Feedback, target: FeedbackTarget) -> None:
    """Record an open or click with the label that the reporter gave it."""
    data = feedback_event_data(feedback, target.stream)
    number = data.pop("link", None)
    link = FollowedLink(url=data.pop("url", ""), number=None if number is None else int(number))
    found = Label(Actor(data.pop("actor", Actor.UNKNOWN)), data.pop("actor_reason", "reported by the provider"))
    subject = VisitSubject(
        project_id=target.project_id,
        message_id=target.message_id,
        recipient_id=target.recipient_id,
        address=target.address,
    )
    record_reported_visit(subject, data, link=link if feedback.kind is FeedbackKind.CLICKED else None, found=found)


def feedback_event_data(feedback: Feedback, stream: str = "", *, is_suppressed: bool | None = None) -> dict[str, Any]:
    """The data of the feedback's event, without empty values; for complaints and opt-outs also the stream.

    `is_suppressed` is None for what is no bounce.
    """
    told = {
        "stream": stream if feedback.kind in SUPPRESSIONS else None,
        "way": SuppressionWay.FEEDBACK if feedback.kind is FeedbackKind.UNSUBSCRIBED else None,
        "source": feedback.source,
        "code": feedback.code,
        "enhanced_code": feedback.enhanced_code,
        "reply": feedback.reply[:MAX_REPLY],
        **feedback.data,
    } | describe_judgement(feedback.reason, feedback.about, is_suppressed=is_suppressed)
    return {name: value for name, value in told.items() if value is not None and value != ""}


def _find_suppression_note(feedback: Feedback, target: FeedbackTarget, *, is_first: bool) -> str | None:
    """The note of the suppression that the feedback asks for; None when it asks for none. `is_first` tells that the
    recipient had not bounced before.
    """
    if target.is_simulated:
        return None
    if feedback.should_suppress or feedback.kind in SUPPRESSIONS:
        return quote_words(feedback)
    if is_first and feedback.kind is FeedbackKind.BOUNCED and feedback.reason is Reason.DISABLED:
        mailbox = Mailbox(target.project_id, target.address.lower())
        return find_closed([mailbox]).get(mailbox)
    return None


def quote_words(feedback: Feedback) -> str:
    """The words of the server or reporter, with its code."""
    return f"{feedback.enhanced_code} {feedback.reply}".strip()[:MAX_REPLY]


def _suppress(feedback: Feedback, target: FeedbackTarget, note: str) -> bool:
    """Suppress the address. False when its suppression is held back together with many alike."""
    if reason := SUPPRESSIONS.get(feedback.kind):
        # An opt-out holds for the stream of its mail.
        stream = target.stream if reason == SuppressionReason.UNSUBSCRIBE else None
        entry = Entry(address=target.address, reason=reason, stream=stream, note=note, message_id=target.message_id)
        suppress_many(target.project_id, [entry])
        return True
    bounce = Bounce(
        project_id=target.project_id,
        address=target.address,
        words=quote_words(feedback),
        note=note,
        message_id=target.message_id,
    )
    return bool(suppress_bounced([bounce]))


def _count_identity_refusal(feedback: Feedback, target: FeedbackTarget) -> None:
    """Count a refusal about our identity: many at several domains make a notice."""
    if feedback.about is About.IDENTITY and not target.is_simulated:
        identity_refusals.note({target.address.rpartition("@")[2].lower(): 1}, quote_words(feedback))
