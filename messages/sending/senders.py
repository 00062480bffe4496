"""The second check of senders: mail whose sender is not admitted any more is not sent.

The claim tells whether the sender's domain is still verified. Mail of any other sender is looked at here: it goes out,
waits for the verification of its suspended domain, or fails. Waiting mail is not due, so it costs the claims nothing.
The tick decides about it by the present state of its domain: no race with a suspension or a verification can leave it
in a wrong state for longer than that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from uuid import UUID

from django.db import transaction

from domains.admitted_senders import SenderBasis, SenderFinding, SenderState, SenderToCheck, check_senders
from domains.trusted_senders import is_current_trust
from ledger.batches import run_batches
from ledger.sql import fetch_as
from messages.message_events import record_status_events
from messages.sending.claims import Claim, release_claims
from messages.states import OPEN_STATUSES, Lane, Status, StatusReason
from messages.transitions import AppliedTransition, Transition, apply_transitions, lock_free_recipients
from providers.routing.selection import ProviderRef, routes

BATCH = 500
# The time that a worker may spend at once on other due mail of refused senders, while its conversations wait.
BACKLOG_SECONDS = 0.5
# The time for which claims leave out mail of senders that were found to be refused.
CLOSED_SECONDS = 1.0


class ClosedSenders:
    """The senders that this process has found to be refused within the last second, so that claims leave them out."""

    def __init__(self) -> None:
        self._until: dict[UUID, float] = {}

    def add(self, sender_ids: set[UUID]) -> None:
        self._until |= dict.fromkeys(sender_ids, monotonic() + CLOSED_SECONDS)

    def find_current(self) -> Sequence[UUID]:
        now = monotonic()
        self._until = {sender_id: until for sender_id, until in self._until.items() if until > now}
        return list(self._until)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRow:
    """A recipient with the sender of its message."""

    recipient_id: UUID
    message_id: UUID
    status: Status
    status_reason: StatusReason
    project_id: UUID
    sender_id: UUID
    sender_basis: SenderBasis
    from_address: str


_ROWS = """
SELECT r.id AS recipient_id, r.message_id, r.status, r.status_reason, r.project_id, r.sender_id, m.sender_basis,
       m.from_address
FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
"""
_CLAIMED = _ROWS + "WHERE r.id = ANY(%s)"
_DUE = f"""{_ROWS}
WHERE r.lane = ANY(%s) AND NOT r.is_simulated AND r.project_id = ANY(%s) AND r.lease_token IS NULL
  AND r.parked_by = '' AND r.crash_count = 0 AND r.next_attempt_at <= now() AND r.sender_id = ANY(%s)
LIMIT %s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""
_WAITS = (
    f"r.status_reason = '{StatusReason.SENDER_SUSPENDED}' AND r.status IN ({OPEN_STATUSES}) AND r.lease_token IS NULL"
)
# One waiting recipient of each sender. The recursion goes from sender to sender along the index, whatever the number of
# their recipients.
_SAMPLES = f"""
WITH RECURSIVE senders AS (
    (SELECT r.sender_id FROM mail_recipient r WHERE {_WAITS} ORDER BY r.sender_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT r.sender_id FROM mail_recipient r WHERE {_WAITS} AND r.sender_id > s.sender_id
        ORDER BY r.sender_id LIMIT 1
    ) FROM senders s WHERE s.sender_id IS NOT NULL
)
SELECT row.* FROM senders s, LATERAL ({_ROWS} WHERE r.sender_id = s.sender_id AND {_WAITS} LIMIT 1) row
"""  # noqa: S608 - built from constants of this package
_WAITING = f"""{_ROWS}
WHERE r.sender_id = %s AND {_WAITS} LIMIT %s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""


def may_leave_by(claim: Claim, provider: ProviderRef) -> bool:
    """Whether the claim's mail may go by this provider: what was admitted as local only stays on this machine.

    The providers may have changed since the check of the sender. The mail is then claimed and checked anew.
    """
    return claim.sender_id != claim.project_id or claim.is_sender_verified or provider.is_local


def is_doubtful(claim: Claim) -> bool:
    """Whether the sender needs a closer look. Mail of test keys, which never leaves, has no `sender_id`."""
    if claim.sender_id is None or claim.is_sender_verified:
        return False
    if claim.sender_id == claim.project_id:
        return not routes.is_local_only(claim.project_id)
    return not is_current_trust(claim.sender_id)


def drop_refused_senders(claims: Sequence[Claim], closed_senders: ClosedSenders) -> list[Claim]:
    """Return the claims whose sender is still admitted. The others wait or fail, without an attempt.

    The other due mail of their senders follows, for a limited time.
    """
    doubtful = [claim for claim in claims if is_doubtful(claim)]
    if not doubtful:
        return list(claims)
    with transaction.atomic():
        free = lock_free_recipients(claim.recipient_id for claim in doubtful)
        rows = fetch_as(SenderRow, _CLAIMED, [list(free)])
        findings = find_senders(rows)
        transitions = plan_transitions(rows, findings)
        # A row that somebody has locked is looked at when it is claimed again.
        dropped = {claim.recipient_id for claim in doubtful} - free | transitions.keys()
        refused = [claim for claim in doubtful if claim.recipient_id in dropped]
        release_claims(refused)
        write_sender_transitions(transitions)
    if refused:
        sender_ids = {claim.sender_id for claim in refused if claim.sender_id is not None}
        closed_senders.add(sender_ids)
        projects = list({claim.project_id for claim in refused})
        run_batches(lambda: _settle_batch(_DUE, [list(Lane), projects, list(sender_ids), BATCH]), BACKLOG_SECONDS)
    verified = {pk for pk, finding in findings.items() if not finding.is_local_only}
    return [
        replace(claim, is_sender_verified=True) if claim.recipient_id in verified else claim
        for claim in claims
        if claim.recipient_id not in dropped
    ]


def settle_waiting_senders() -> int:
    """Queue, or fail, waiting mail whose sender is admitted again, or for good no more. Returns the number."""
    samples = fetch_as(SenderRow, _SAMPLES)
    count = 0
    for sample in samples:
        if plan_transitions([sample], find_senders([sample])):
            count += run_batches(lambda sample=sample: _settle_batch(_WAITING, [sample.sender_id, BATCH]))  # type: ignore[misc]
    return count


def _settle_batch(sql: str, params: Sequence[object]) -> int:
    with transaction.atomic():
        rows = fetch_as(SenderRow, sql, params)
        return len(write_sender_transitions(plan_transitions(rows, find_senders(rows))))


def find_senders(rows: Sequence[SenderRow]) -> Mapping[UUID, SenderFinding]:
    """The state of each recipient's sender, by recipient id."""
    senders = {row.recipient_id: build_sender(row) for row in rows}
    findings = check_senders(set(senders.values()))
    return {recipient_id: findings[sender] for recipient_id, sender in senders.items()}


def plan_transitions(rows: Sequence[SenderRow], findings: Mapping[UUID, SenderFinding]) -> Mapping[UUID, Transition]:
    """The transitions by recipient id of the recipients that do not stay as they are."""
    planned = [CHANGES[findings[row.recipient_id].state](row, findings[row.recipient_id]) for row in rows]
    return {transition.recipient_id: transition for transition in planned if transition}


def build_sender(row: SenderRow) -> SenderToCheck:
    return SenderToCheck(
        project_id=row.project_id,
        sender_id=row.sender_id,
        basis=row.sender_basis,
        domain=row.from_address.rpartition("@")[2],
        is_local_only=row.sender_basis is SenderBasis.LOCAL_ONLY and routes.is_local_only(row.project_id),
    )


def queue_again(row: SenderRow, _finding: SenderFinding) -> Transition | None:
    if row.status_reason is not StatusReason.SENDER_SUSPENDED:
        return None
    return Transition(recipient_id=row.recipient_id, message_id=row.message_id, status=row.status, wait=timedelta(0))


def let_wait(row: SenderRow, _finding: SenderFinding) -> Transition | None:
    if row.status_reason is StatusReason.SENDER_SUSPENDED:
        return None
    return Transition(
        recipient_id=row.recipient_id,
        message_id=row.message_id,
        status=row.status,
        reason=StatusReason.SENDER_SUSPENDED,
    )


def fail(row: SenderRow, finding: SenderFinding) -> Transition | None:
    return Transition(
        recipient_id=row.recipient_id,
        message_id=row.message_id,
        status=Status.FAILED,
        reason=StatusReason.SENDER_NOT_VERIFIED,
        last_reply=finding.why,
    )


CHANGES: Mapping[SenderState, Callable[[SenderRow, SenderFinding], Transition | None]] = {
    SenderState.ADMITTED: queue_again,
    SenderState.SUSPENDED: let_wait,
    SenderState.LOST: fail,
}


def write_sender_transitions(transitions: Mapping[UUID, Transition]) -> list[AppliedTransition]:
    """Write transitions in the caller's transaction, with the events of mail that failed."""
    applied = apply_transitions(list(transitions.values()))
    record_status_events(
        [row for row in applied if row.status is Status.FAILED],
        {row.recipient_id: {"reason": StatusReason.SENDER_NOT_VERIFIED} for row in applied},
    )
    return applied
