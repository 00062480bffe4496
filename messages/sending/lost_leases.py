"""Leases that ran out: their worker died, or lost its database. What it left behind decides what happens next."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from delivery.envelope import Outcome
from ledger.sql import execute, fetch
from messages.message_events import record_status_events
from messages.states import OnUncertain, Phase, Status, StatusReason
from messages.transitions import Transition, apply_transitions, lock_messages

BATCH = 500
# A recipient that takes its worker down this often in a row is not tried again.
MAX_CRASHES = 5

REPLIES = {
    Phase.STARTED: "The worker was lost before the message was handed over.",
    Phase.DOT_SENT: "The worker was lost after the message was sent and before the answer was recorded.",
}
OUTCOMES = {Phase.STARTED: Outcome.DEFERRED, Phase.DOT_SENT: Outcome.UNCERTAIN}

# Claimed before PostgreSQL was started anew: its worker may well live, and hold an answer that it could not write down
# while the server was away. It has the time to do so before anybody calls it lost, and sends once more.
_CANDIDATES = """
SELECT r.id, r.message_id FROM mail_recipient r
JOIN mail_attempt a ON a.recipient_id = r.id AND a.number = r.attempt_count
WHERE r.lease_token IS NOT NULL AND r.lease_until < now()
  AND (a.claimed_at > pg_postmaster_start_time() OR pg_postmaster_start_time() < now() - %s)
LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class LostLease:
    """A recipient whose lease ran out, and how far its attempt had gone. Locked."""

    recipient_id: UUID
    message_id: UUID
    status: Status
    crash_count: int
    on_uncertain: OnUncertain
    attempt_id: int
    phase: Phase
    token: UUID


def sweep_lost_leases() -> int:
    """Decide what becomes of recipients whose lease ran out; returns how many there were.

    Not begun: as if never claimed. Begun, before the dot: due again, and no duplicate is possible. Later: uncertain.
    """
    count = 0
    while batch := _sweep_batch():
        count += batch
    return count


def _sweep_batch() -> int:
    with transaction.atomic():
        candidates = fetch(_CANDIDATES, [settings.LEASE_TIME / 2, BATCH])
        if not candidates:
            return 0
        lock_messages(message_id for _, message_id in candidates)
        lost = _lock_lost([recipient_id for recipient_id, _ in candidates])
        _forget_unbegun([row for row in lost if row.phase is Phase.CLAIMED])
        begun = [row for row in lost if row.phase is not Phase.CLAIMED]
        _end_attempts(begun)
        present = {row.recipient_id: row.status for row in begun}
        applied = apply_transitions([choose_crash_transition(row) for row in begun], {row.token for row in begun})
        record_status_events(
            [row for row in applied if row.status is not present[row.recipient_id]],
            {row.recipient_id: {"reply": REPLIES[row.phase], "outcome": OUTCOMES[row.phase]} for row in begun},
        )
    return len(lost)


def choose_crash_transition(lost: LostLease) -> Transition:
    """What becomes of a recipient whose worker was lost while it worked on it."""
    crash_count = lost.crash_count + 1
    status, reason = lost.status, StatusReason.DEFERRED
    wait: timedelta | None = timedelta(0)
    if lost.phase is Phase.DOT_SENT:
        status, reason = Status.DELIVERING, StatusReason.UNCERTAIN
        if lost.on_uncertain is OnUncertain.HOLD:
            wait = None
    if crash_count >= MAX_CRASHES:
        status, reason, wait = Status.FAILED, StatusReason.WORKER_CRASH, None
    return Transition(
        recipient_id=lost.recipient_id,
        message_id=lost.message_id,
        status=status,
        reason=reason,
        wait=wait,
        last_reply=REPLIES[lost.phase],
        crash_count=crash_count,
    )


def _lock_lost(recipient_ids: list[UUID]) -> list[LostLease]:
    """Lock those that are still held under a lease that ran out, and read how far they had gone.

    Two statements: the attempts are read after the locks, so that a mark committed meanwhile is seen.
    """
    locked = [
        row[0]
        for row in fetch(
            "SELECT id FROM mail_recipient WHERE id = ANY(%s) AND lease_token IS NOT NULL AND lease_until < now()"
            " ORDER BY id FOR NO KEY UPDATE",
            [recipient_ids],
        )
    ]
    return [
        LostLease(row[0], row[1], Status(row[2]), row[3], OnUncertain(row[4]), row[5], Phase(row[6]), row[7])
        for row in fetch(
            "SELECT r.id, r.message_id, r.status, r.crash_count, m.on_uncertain, a.id, a.phase, r.lease_token"
            " FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id"
            " JOIN mail_attempt a ON a.recipient_id = r.id AND a.number = r.attempt_count WHERE r.id = ANY(%s)",
            [locked],
        )
    ]


def _forget_unbegun(lost: list[LostLease]) -> None:
    """Undo claims that led to nothing; they count neither as attempts nor as crashes."""
    execute("DELETE FROM mail_attempt WHERE id = ANY(%s)", [[row.attempt_id for row in lost]])
    execute(
        "UPDATE mail_recipient SET lease_token = NULL, lease_until = NULL, attempt_count = attempt_count - 1"
        " WHERE id = ANY(%s)",
        [[row.recipient_id for row in lost]],
    )


def _end_attempts(lost: list[LostLease]) -> None:
    execute(
        "UPDATE mail_attempt a SET phase = %s, finished_at = now(), outcome = v.outcome, reply = v.reply"
        " FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS v(id, outcome, reply) WHERE a.id = v.id",
        [
            Phase.DONE,
            [row.attempt_id for row in lost],
            [OUTCOMES[row.phase] for row in lost],
            [REPLIES[row.phase] for row in lost],
        ],
    )
