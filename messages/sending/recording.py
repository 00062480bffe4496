"""Records the results of attempts: attempt, recipient's state, event and suppression, in one transaction.

It takes two round trips for any number of results: one locks the rows and reads them, the other writes everything.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from delivery.envelope import Outcome
from delivery.simulator.script import TIME_SCALE_HEADER
from ledger.sql import Prepared, as_ids, as_rows, execute, fetch_as, fetch_column, pipelined, write_few
from messages.feedback.closed_mailboxes import Mailbox
from messages.message_events import describe_judgement, record_status_events
from messages.sending.outcomes import AttemptResult, LeasedRecipient, next_transition
from messages.states import Phase, Status
from messages.transitions import AppliedTransition, Transition, write_transitions

# The simulator's factor among the stored headers. Strict mode, since the other one takes the pairs apart.
TIME_SCALE_PATH = f'strict $[*] ? (@[0] == "{TIME_SCALE_HEADER}")[1]'
# It waits for no lock, so the order of the locks does not matter. A row that somebody has locked is left for later.
_LOCK = Prepared("""
SELECT r.id AS recipient_id, r.message_id, r.project_id, r.address, r.is_simulated, r.status, r.deferral_count,
       COALESCE(r.lease_token = ANY(%(tokens)s::uuid[]), FALSE) AS is_leased, m.on_uncertain,
       CASE WHEN r.is_simulated
            THEN COALESCE(jsonb_path_query_first(m.headers, %(time_scale)s::jsonpath) #>> '{}', '1')::float
            ELSE 1 END AS time_scale,
       COALESCE(EXTRACT(epoch FROM now() - m.queued_at), 0)::float AS age_seconds,
       NOT EXISTS (SELECT 1 FROM mail_recipient s WHERE s.message_id = r.message_id AND s.id <> r.id) AS is_alone
FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
WHERE r.id = ANY(%(recipients)s::uuid[]) FOR NO KEY UPDATE OF m, r SKIP LOCKED
""")
_EXISTING = "SELECT id FROM mail_recipient WHERE id = ANY(%s::uuid[])"
# On locked rows. Our lease expired, and the sweep that found it only marked our attempt uncertain.
_MARKED = """
SELECT r.id FROM mail_recipient r
JOIN mail_attempt a ON a.recipient_id = r.id AND a.number = r.attempt_count
WHERE r.id = ANY(%s::uuid[]) AND a.id = ANY(%s::bigint[]) AND r.lease_token IS NULL AND r.status = %s AND a.outcome = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedResults:
    """The rows of results, locked. `ours` are the recipients for which a result may still be recorded; the rows of
    `busy` are locked by another transaction. A row that is gone (an erased address) is in neither.
    """

    ours: Mapping[UUID, LeasedRecipient]
    busy: Collection[UUID] = ()


def lock_results(results: Sequence[AttemptResult]) -> LockedResults:
    """Lock and read the recipients of results and their messages, in the caller's transaction; never waits.

    A recipient that another worker has taken over is not ours any more. The exception is a sweep that only marked our
    attempt uncertain: our reply replaces that mark.
    """
    attempts = {result.claim.recipient_id: result.claim.attempt_id for result in results}
    values = {
        "recipients": as_ids(attempts),
        "tokens": as_ids({result.claim.token for result in results}),
        "time_scale": TIME_SCALE_PATH,
    }
    with pipelined():  # with the BEGIN
        locked = fetch_as(LeasedRecipient, _LOCK, values)
    found = {row.recipient_id: row for row in locked}
    ours = {recipient_id: row for recipient_id, row in found.items() if row.is_leased}
    if lost := found.keys() - ours.keys():
        attempt_ids = as_ids(attempts[recipient_id] for recipient_id in lost)
        marked = fetch_column(_MARKED, [as_ids(lost), attempt_ids, Status.DELIVERING, Outcome.UNCERTAIN])
        ours |= {recipient_id: found[recipient_id] for recipient_id in marked}
    missing = attempts.keys() - found.keys()
    return LockedResults(ours=ours, busy=set(fetch_column(_EXISTING, [as_ids(missing)])) if missing else ())


def write_results(ours: Sequence[tuple[AttemptResult, LeasedRecipient]], suppressed: Collection[Mailbox]) -> None:
    """Write results in the transaction that locked their recipients, in a pipeline; `suppressed` are the mailboxes that
    the results have suppressed.
    """
    if not ours:
        return
    written = [(result, leased, next_transition(result, leased)) for result, leased in ours]
    write_transitions(
        [transition for _, _, transition in written],
        {result.claim.token for result, _ in ours},
        {leased.message_id for _, leased in ours if leased.is_alone},
    )
    execute(_FINISH, {"phase": Phase.DONE, "rows": as_rows(list_finished(written)), "count": len(written)})
    changed = [each for each in written if each[2].status is not each[1].status]
    record_status_events(
        [build_applied_transition(leased, transition) for _, leased, transition in changed],
        {
            leased.recipient_id: attempt_event_data(result, is_suppressed=leased.mailbox in suppressed)
            for result, leased, _ in changed
        },
    )


def build_applied_transition(leased: LeasedRecipient, transition: Transition) -> AppliedTransition:
    """The recipient after `transition`, for its event."""
    return AppliedTransition(
        recipient_id=transition.recipient_id,
        message_id=leased.message_id,
        project_id=leased.project_id,
        address=leased.address,
        status=transition.status,
        is_simulated=leased.is_simulated,
    )


def attempt_event_data(result: AttemptResult, *, is_suppressed: bool) -> dict[str, Any]:
    """The data of an attempt's event. That of a refusal has the reason and its subject, that of a bounce also whether
    the address was suppressed.
    """
    reply = result.reply
    return {
        "attempt": result.claim.number,
        "provider": result.provider_name,
        "outcome": reply.outcome,
        "code": reply.code,
        "enhanced_code": reply.enhanced_code,
        "reply": reply.text,
    } | describe_judgement(
        reply.reason if reply.about else None,
        reply.about,
        is_suppressed=is_suppressed if reply.outcome is Outcome.BOUNCED else None,
    )


# With the recipient PostgreSQL looks only at the partition of its month. It takes JSON for a hundred rows, for which it
# would read the whole table while that is small.
_FINISHED = write_few("""jsonb_to_recordset(%(rows)s::jsonb) AS rows(
    id bigint, recipient_id uuid, outcome text, code smallint, enhanced_code text, reply text, reason text, about text,
    remote_host text, tls text, remote_id text, wait interval
)""")
_FINISH = Prepared(f"""
UPDATE mail_attempt a
SET phase = %(phase)s, finished_at = now(), outcome = v.outcome, code = v.code, enhanced_code = v.enhanced_code,
    reply = v.reply, reason = v.reason, about = v.about, remote_host = v.remote_host, tls = v.tls,
    remote_id = v.remote_id, next_attempt_at = now() + v.wait
FROM {_FINISHED} AS v WHERE a.id = v.id AND a.recipient_id = v.recipient_id
""")  # noqa: S608 - built from constants


def list_finished(
    written: Sequence[tuple[AttemptResult, LeasedRecipient, Transition]],
) -> Iterator[dict[str, object]]:
    """The rows for `_FINISH`."""
    for result, _, transition in written:
        reply = result.reply
        yield {
            "id": result.claim.attempt_id,
            "recipient_id": str(result.claim.recipient_id),
            "outcome": reply.outcome,
            "code": reply.code,
            "enhanced_code": reply.enhanced_code,
            "reply": reply.text,
            "reason": reply.reason if reply.about else "",
            "about": reply.about or "",
            "remote_host": reply.remote_host,
            "tls": reply.tls,
            "remote_id": reply.remote_id,
            "wait": transition.wait,
        }
