"""What becomes of mail after it was handed over: feedback is written down here, and nowhere else.

Whoever hears something makes `Feedback` of it and calls `receive`. The same thing said twice does nothing; what is said
in any order ends in the same state, since states only move forward; what concerns nobody is forgotten.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction

from ledger.sql import execute, fetch_one
from messages.feedback.model import Feedback, Kind, Result, dump_feedback, load_feedback
from messages.feedback.targets import Target, find_recipient, lock_target
from messages.sending.outcomes import EVENTS
from messages.states import TRANSITIONS, Reason, Status
from messages.transitions import Move, Moved, apply_moves, lock_messages
from tracking.events import Fact
from tracking.events import record as record_facts
from tracking.models import EventType, Suppression
from tracking.suppressions.service import Entry, suppress_many

log = structlog.get_logger(__name__)

# In one look; the next one comes with the next tick.
MAX_AT_ONCE = 1_000
# A worker holds the recipient just now: looked at again after this.
HELD_WAIT = timedelta(seconds=2)
# An ESP's event may come before the answer that tells the ESP's id. After so many looks it is about others' mail.
UNKNOWN_WAITS = (timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=10))
# For so long the same thing said again is known.
KEPT = timedelta(days=30)
MAX_REPLY = 1_000

# The state that a kind leads to, and why. What has none proves at least that the provider took the mail.
STATES: Mapping[Kind, tuple[Status, Reason]] = {
    Kind.ACCEPTED: (Status.SENT, Reason.NONE),
    Kind.DELAYED: (Status.DELIVERING, Reason.DEFERRED),
    Kind.DELIVERED: (Status.DELIVERED, Reason.NONE),
    Kind.BOUNCED: (Status.BOUNCED, Reason.REFUSED),
    Kind.FAILED: (Status.FAILED, Reason.PROVIDER_ERROR),
}
# What is told by an event of its own and is no state.
FACTS: Mapping[Kind, EventType] = {
    Kind.COMPLAINED: EventType.COMPLAINED,
    Kind.UNSUBSCRIBED: EventType.UNSUBSCRIBED,
    Kind.OPENED: EventType.OPENED,
    Kind.CLICKED: EventType.CLICKED,
}
SUPPRESSIONS: Mapping[Kind, str] = {
    Kind.COMPLAINED: Suppression.Reason.COMPLAINT,
    Kind.UNSUBSCRIBED: Suppression.Reason.UNSUBSCRIBE,
}

# The key is taken by whoever inserts it; two who say the same at once wait for each other here.
_TAKE = """
INSERT INTO mail_receivedfeedback (key, content, due_at, try_count) VALUES (%s, '{}', NULL, 0)
ON CONFLICT (key) DO NOTHING RETURNING id
"""
_POSTPONE = """
UPDATE mail_receivedfeedback SET content = %s::jsonb, due_at = now() + %s, try_count = try_count + 1 WHERE id = %s
"""
_PLAN = """
INSERT INTO mail_receivedfeedback (key, content, due_at, try_count) VALUES (%s, %s::jsonb, now() + %s, 0)
ON CONFLICT (key) DO NOTHING
"""
_DUE = """
SELECT id, content, try_count FROM mail_receivedfeedback WHERE due_at <= now()
ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""


def receive(feedback: Feedback) -> Result:
    """Write down what was said, in one transaction. Once it has returned, nothing of it is lost."""
    with transaction.atomic():
        taken = fetch_one(_TAKE, [feedback.key])
        return Result.KNOWN if taken is None else _settle(taken[0], feedback, tries=0)


def plan(feedback: Feedback, after: timedelta) -> None:
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
            _settle(row[0], load_feedback(row[1]), tries=row[2])
    return row is not None


def purge() -> int:
    """Forget keys so old that nobody repeats them; returns how many."""
    return execute("DELETE FROM mail_receivedfeedback WHERE due_at IS NULL AND received_at < now() - %s", [KEPT])


def _settle(row_id: int, feedback: Feedback, *, tries: int) -> Result:
    """Write down feedback whose row the caller holds; or put it off, or forget it."""
    result = _apply(feedback)
    wait = _find_wait(result, feedback, tries)
    if wait is not None:
        execute(_POSTPONE, [dump_feedback(feedback), wait, row_id])
        return Result.LATER
    if result is Result.UNKNOWN:
        execute("DELETE FROM mail_receivedfeedback WHERE id = %s", [row_id])
        log.info("feedback_unknown", source=feedback.source, kind=feedback.kind)
    else:
        execute("UPDATE mail_receivedfeedback SET content = '{}', due_at = NULL WHERE id = %s", [row_id])
    return result


def _find_wait(result: Result, feedback: Feedback, tries: int) -> timedelta | None:
    """How long until feedback is looked at again; None when there is nothing to wait for."""
    if result is Result.LATER:
        return HELD_WAIT
    is_early = feedback.remote_id and not feedback.message_id and not feedback.recipient_id
    if result is Result.UNKNOWN and is_early and tries < len(UNKNOWN_WAITS):
        return UNKNOWN_WAITS[tries]
    return None


def _apply(feedback: Feedback) -> Result:
    """Move the state, note the event, suppress."""
    found = find_recipient(feedback)
    if found is None:
        return Result.UNKNOWN
    recipient_id, message_id = found
    lock_messages([message_id])
    target = lock_target(recipient_id)
    if target is None:
        return Result.UNKNOWN
    if target.is_held:
        return Result.LATER
    move = decide(feedback, target)
    moved = apply_moves([move]) if move else []
    _note(feedback, target, [row for row in moved if row.status is not target.status])
    if not target.is_simulated:
        _suppress(feedback, target)
    return Result.APPLIED


def decide(feedback: Feedback, target: Target) -> Move | None:
    """Where the recipient goes, or None when it stays as it is.

    That the provider has the mail is news only while a try of ours is open: it ends the doubt, and the retries.
    """
    status, reason = STATES.get(feedback.kind, (Status.SENT, Reason.NONE))
    if feedback.kind not in STATES and not (target.is_pending and target.status is Status.DELIVERING):
        return None
    if feedback.kind is Kind.ACCEPTED and not target.is_pending:
        return None
    if status is target.status and not target.is_pending:
        return None
    if status is not target.status and status not in TRANSITIONS[target.status]:
        return None
    return Move(
        recipient_id=target.recipient_id,
        message_id=target.message_id,
        status=status,
        reason=reason,
        last_reply=feedback.reply[:MAX_REPLY] or None,
    )


def _note(feedback: Feedback, target: Target, moved: list[Moved]) -> None:
    """The events: that of a new state, and that of what is no state."""
    types = [EVENTS[row.status] for row in moved]
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
                data=describe(feedback),
            )
            for type_ in types
        ]
    )


def describe(feedback: Feedback) -> dict[str, Any]:
    """Feedback, as its event tells it."""
    told = {
        "source": feedback.source,
        "code": feedback.code,
        "enhanced_code": feedback.enhanced_code,
        "reply": feedback.reply[:MAX_REPLY],
        **feedback.data,
    }
    return {name: value for name, value in told.items() if value is not None and value != ""}


def _suppress(feedback: Feedback, target: Target) -> None:
    reason = SUPPRESSIONS.get(feedback.kind) or (Suppression.Reason.BOUNCE if feedback.should_suppress else None)
    if reason is not None:
        said = f"{feedback.enhanced_code} {feedback.reply}".strip()[:MAX_REPLY]
        entry = Entry(address=target.address, reason=reason, note=said, message_id=target.message_id)
        suppress_many(target.project_id, [entry])
