"""What becomes of mail after it was handed over: feedback is written down here, and nowhere else.

Whoever hears something makes `Feedback` of it and calls `receive_feedback`. The same thing said twice does nothing;
what is said in any order ends in the same state, since states only move forward; what concerns nobody is forgotten.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction

from ledger.sql import execute, fetch_one
from messages.feedback.model import Feedback, FeedbackKind, FeedbackResult, dump_feedback, load_feedback
from messages.feedback.targets import FeedbackTarget, find_feedback_recipient, lock_target
from messages.message_events import STATUS_EVENTS
from messages.states import TRANSITIONS, Status, StatusReason
from messages.transitions import AppliedTransition, Transition, apply_transitions, lock_messages
from tracking.events import Fact, record_facts
from tracking.models import EventType, SuppressionReason
from tracking.suppressions.service import Entry, suppress_many

log = structlog.get_logger(__name__)

# In one look; the next one comes with the next tick.
MAX_AT_ONCE = 1_000
# A worker holds the recipient just now: looked at again after this.
LEASED_WAIT = timedelta(seconds=2)
# An ESP's event may come before the answer that tells the ESP's id. After so many looks it is about others' mail.
UNKNOWN_WAITS = (timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=10))
# For so long the same thing said again is known.
KEPT = timedelta(days=30)
MAX_REPLY = 1_000

# The state that a kind leads to, and why. What has none proves at least that the provider took the mail.
STATES: Mapping[FeedbackKind, tuple[Status, StatusReason]] = {
    FeedbackKind.ACCEPTED: (Status.SENT, StatusReason.NONE),
    FeedbackKind.DELAYED: (Status.DELIVERING, StatusReason.DEFERRED),
    FeedbackKind.DELIVERED: (Status.DELIVERED, StatusReason.NONE),
    FeedbackKind.BOUNCED: (Status.BOUNCED, StatusReason.REFUSED),
    FeedbackKind.FAILED: (Status.FAILED, StatusReason.PROVIDER_ERROR),
}
# What is told by an event of its own and is no state.
FACTS: Mapping[FeedbackKind, EventType] = {
    FeedbackKind.COMPLAINED: EventType.COMPLAINED,
    FeedbackKind.UNSUBSCRIBED: EventType.UNSUBSCRIBED,
    FeedbackKind.OPENED: EventType.OPENED,
    FeedbackKind.CLICKED: EventType.CLICKED,
}
SUPPRESSIONS: Mapping[FeedbackKind, str] = {
    FeedbackKind.COMPLAINED: SuppressionReason.COMPLAINT,
    FeedbackKind.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBE,
}

# The key is taken by whoever inserts it; two who say the same at once wait for each other here.
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


def receive_feedback(feedback: Feedback) -> FeedbackResult:
    """Write down what was said, in one transaction. Once it has returned, nothing of it is lost."""
    with transaction.atomic():
        taken = fetch_one(_TAKE, [feedback.key])
        return FeedbackResult.KNOWN if taken is None else _settle(taken[0], feedback, postponed_count=0)


def plan_feedback(feedback: Feedback, after: timedelta) -> None:
    """Have feedback received later, in the caller's transaction: what the simulator lets happen."""
    execute(_PLAN, [feedback.key, dump_feedback(feedback), after])


def apply_due() -> int:
    """Look again at feedback that could not be written, or is planned for now; returns how many there were.

    A row is locked while its consequences are written, and nothing else is waited for: no lease is needed. One row in a
    transaction: messages are locked in the order of their ids, or one at a time.
    """
    count = 0
    while count < MAX_AT_ONCE and _apply_one():
        count += 1
    return count


def _apply_one() -> bool:
    with transaction.atomic():
        row = fetch_one(_DUE)
        if row is not None:
            _settle(row[0], load_feedback(row[1]), postponed_count=row[2])
    return row is not None


def purge() -> int:
    """Forget keys so old that nobody repeats them; returns how many."""
    return execute("DELETE FROM mail_receivedfeedback WHERE due_at IS NULL AND received_at < now() - %s", [KEPT])


def _settle(row_id: int, feedback: Feedback, *, postponed_count: int) -> FeedbackResult:
    """Write down feedback whose row the caller holds; or put it off, or forget it."""
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
    """How long until feedback is looked at again; None when there is nothing to wait for."""
    if result is FeedbackResult.LATER:
        return LEASED_WAIT
    is_early = feedback.remote_id and not feedback.message_id and not feedback.recipient_id
    if result is FeedbackResult.UNKNOWN and is_early and postponed_count < len(UNKNOWN_WAITS):
        return UNKNOWN_WAITS[postponed_count]
    return None


def _apply(feedback: Feedback) -> FeedbackResult:
    """Move the state, note the event, suppress."""
    found = find_feedback_recipient(feedback)
    if found is None:
        return FeedbackResult.UNKNOWN
    recipient_id, message_id = found
    lock_messages([message_id])
    target = lock_target(recipient_id)
    if target is None:
        return FeedbackResult.UNKNOWN
    if target.is_leased:
        return FeedbackResult.LATER
    transition = choose_feedback_transition(feedback, target)
    applied = apply_transitions([transition]) if transition else []
    _record_feedback_events(feedback, target, [row for row in applied if row.status is not target.status])
    if not target.is_simulated:
        _suppress(feedback, target)
    return FeedbackResult.APPLIED


def choose_feedback_transition(feedback: Feedback, target: FeedbackTarget) -> Transition | None:
    """Where the recipient goes, or None when it stays as it is.

    That the provider has the mail is news only while a try of ours is open: it ends the doubt, and the retries.
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
    return Transition(
        recipient_id=target.recipient_id,
        message_id=target.message_id,
        status=status,
        reason=reason,
        last_reply=feedback.reply[:MAX_REPLY] or None,
    )


def _record_feedback_events(feedback: Feedback, target: FeedbackTarget, applied: list[AppliedTransition]) -> None:
    """The events: that of a new state, and that of what is no state."""
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
                data=feedback_event_data(feedback),
            )
            for type_ in types
        ]
    )


def feedback_event_data(feedback: Feedback) -> dict[str, Any]:
    """Feedback, as its event tells it."""
    told = {
        "source": feedback.source,
        "code": feedback.code,
        "enhanced_code": feedback.enhanced_code,
        "reply": feedback.reply[:MAX_REPLY],
        **feedback.data,
    }
    return {name: value for name, value in told.items() if value is not None and value != ""}


def _suppress(feedback: Feedback, target: FeedbackTarget) -> None:
    reason = SUPPRESSIONS.get(feedback.kind) or (SuppressionReason.BOUNCE if feedback.should_suppress else None)
    if reason is not None:
        said = f"{feedback.enhanced_code} {feedback.reply}".strip()[:MAX_REPLY]
        entry = Entry(address=target.address, reason=reason, note=said, message_id=target.message_id)
        suppress_many(target.project_id, [entry])
