"""Records the results of attempts: attempt, recipient's state, event and suppression, in one transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from delivery.envelope import Outcome, Reply
from delivery.judging.terms import About, Reason
from delivery.retry import next_wait
from delivery.simulator.script import TIME_SCALE_HEADER
from ledger.sql import as_rows, execute, fetch_as, pipelined
from messages.feedback.closed_mailboxes import Mailbox, find_closed
from messages.message_events import describe_judgement, record_status_events
from messages.models import Recipient
from messages.sending.claims import Claim
from messages.states import TRANSITIONS, OnUncertain, Phase, Status, StatusReason
from messages.transitions import AppliedTransition, Transition, lock_messages, write_transitions
from tracking.suppressions.identity_refusals import identity_refusals
from tracking.suppressions.reach import Cause
from tracking.suppressions.waves import Bounce, suppress_bounced

# The wait after a provider throttles without a time.
THROTTLED_WAIT = timedelta(seconds=30)
# Jitter needs no secrecy.
SPREAD = Random()  # noqa: S311

# The state and reason for each final outcome.
ENDS: dict[Outcome, tuple[Status, StatusReason]] = {
    Outcome.ACCEPTED: (Status.SENT, StatusReason.NONE),
    Outcome.DELIVERED: (Status.DELIVERED, StatusReason.NONE),
    Outcome.BOUNCED: (Status.BOUNCED, StatusReason.REFUSED),
    Outcome.FAILED: (Status.FAILED, StatusReason.PROVIDER_ERROR),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """An attempt with its reply."""

    claim: Claim
    reply: Reply
    provider_name: str
    # The reply is a failure of the provider, and another provider can take the message at once.
    has_other_provider: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedRecipient:
    """A recipient that is still leased to us, locked, with its present state."""

    recipient_id: UUID
    message_id: UUID
    project_id: UUID
    address: str
    is_simulated: bool
    status: Status
    deferral_count: int
    on_uncertain: OnUncertain
    # Factor for the simulator's waits; 1 for real mail.
    time_scale: float

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(self.project_id, self.address.lower())


def record_results(results: Sequence[AttemptResult]) -> set[UUID]:
    """Record the results of attempts in one transaction. Returns the recipients that were still leased to us.

    A recipient that another worker has taken over does not change. The exception is a sweep that only marked our
    attempt uncertain: our reply replaces that mark.
    """
    with transaction.atomic():
        lock_messages(result.claim.message_id for result in results)
        leased = _lock_leased(results)
        ours = [result for result in results if result.claim.recipient_id in leased]
        if not ours:
            return set()
        transitions = {r.claim.recipient_id: next_transition(r, leased[r.claim.recipient_id]) for r in ours}
        changed = [
            r for r in ours if transitions[r.claim.recipient_id].status is not leased[r.claim.recipient_id].status
        ]
        suppressed = suppress_refused(ours, leased)
        with pipelined():
            write_transitions(list(transitions.values()), {result.claim.token for result in ours})
            _finish_attempts(ours, transitions)
            record_status_events(
                [
                    build_applied_transition(leased[r.claim.recipient_id], transitions[r.claim.recipient_id])
                    for r in changed
                ],
                {
                    r.claim.recipient_id: attempt_event_data(
                        r, is_suppressed=leased[r.claim.recipient_id].mailbox in suppressed
                    )
                    for r in changed
                },
            )
    return set(transitions)


def suppress_refused(results: Sequence[AttemptResult], leased: Mapping[UUID, LeasedRecipient]) -> set[Mailbox]:
    """Suppress addresses that do not exist, and those that stay disabled, each for its project. Returns those that are
    suppressed now. Refusals about our identity are counted. Simulated mail does neither.
    """
    rows = [(leased[result.claim.recipient_id], result.reply) for result in results]
    real = [(row, reply) for row, reply in rows if not row.is_simulated]
    count_identity_refusals(real)
    bounced = [(row, reply) for row, reply in real if reply.outcome is Outcome.BOUNCED]
    closed = find_closed(row.mailbox for row, reply in bounced if reply.reason is Reason.DISABLED)
    done = suppress_bounced(
        [
            Bounce(
                project_id=row.project_id,
                address=row.address,
                words=f"{reply.enhanced_code} {reply.text}".strip(),
                note=closed.get(row.mailbox, ""),
                message_id=row.message_id,
            )
            for row, reply in bounced
            if reply.should_suppress or row.mailbox in closed
        ]
    )
    return {Mailbox(bounce.project_id, bounce.address.lower()) for bounce in done}


def count_identity_refusals(real: Sequence[tuple[LeasedRecipient, Reply]]) -> None:
    """Count refusals about our identity by domain: many at several domains make a notice."""
    about_us = [(row, reply) for row, reply in real if reply.about is About.IDENTITY]
    if about_us:
        domains = Counter(row.address.rpartition("@")[2].lower() for row, _ in about_us)
        identity_refusals.note(domains, about_us[0][1].text)


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


def next_transition(result: AttemptResult, leased: LeasedRecipient) -> Transition:
    """The recipient's next state after this reply, with the time until the next attempt."""
    reply = result.reply
    wait: timedelta | None = None
    deferral_count = leased.deferral_count
    if reply.outcome in ENDS:
        status, reason = ENDS[reply.outcome]
    elif reply.outcome is Outcome.UNCERTAIN:
        status, reason = Status.DELIVERING, StatusReason.UNCERTAIN
        wait = settings.UNCERTAIN_WAIT if leased.on_uncertain is OnUncertain.RETRY else None
    else:
        status, reason = leased.status, StatusReason.DEFERRED
        if reply.has_reached:
            status = Status.DELIVERING
        if result.has_other_provider or reply.should_pause:
            # The provider rests, not the mail: it is due as soon as any provider is usable.
            wait = timedelta(0)
        elif reply.should_slow and not reply.has_reached:
            # Throttling says nothing about this message, so it does not count for the retry schedule.
            wait = reply.retry_after or THROTTLED_WAIT
        else:
            deferral_count += 1
            wait = max(next_wait(deferral_count, settings.RETRY_WAITS, SPREAD), reply.retry_after or timedelta(0))
    if status is not leased.status and status not in TRANSITIONS[leased.status]:
        # Feedback arrived before the reply and led to a later state.
        status, reason, wait = leased.status, StatusReason.NONE, None
    return Transition(
        recipient_id=result.claim.recipient_id,
        message_id=result.claim.message_id,
        status=status,
        reason=reason,
        wait=wait and wait * leased.time_scale,
        last_reply=reply.text,
        deferral_count=deferral_count,
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


def suppress_recipients(causes: Mapping[UUID, Cause]) -> None:
    """Move recipients to `suppressed` without an attempt, and record their events; `causes` by recipient id."""
    with transaction.atomic():
        applied = Recipient.objects.filter(pk__in=list(causes)).move_to(Status.SUPPRESSED, StatusReason.SUPPRESSED)
        record_status_events(applied, {row.recipient_id: causes[row.recipient_id].event_data() for row in applied})


# The simulator's factor among the stored headers. Strict mode, since the other one takes the pairs apart.
TIME_SCALE_PATH = f'strict $[*] ? (@[0] == "{TIME_SCALE_HEADER}")[1]'
_LEASED = """
SELECT r.id AS recipient_id, r.message_id, r.project_id, r.address, r.is_simulated, r.status, r.deferral_count,
       m.on_uncertain, CASE WHEN r.is_simulated
       THEN COALESCE(jsonb_path_query_first(m.headers, %(time_scale)s::jsonpath) #>> '{}', '1')::float ELSE 1 END
       AS time_scale
FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id JOIN mail_attempt a ON a.id = ANY(%(attempts)s)
    AND a.recipient_id = r.id
WHERE r.id = ANY(%(recipients)s)
  AND (r.lease_token = ANY(%(tokens)s)
       OR r.lease_token IS NULL AND r.status = %(delivering)s AND a.outcome = %(uncertain)s
          AND a.number = r.attempt_count)
ORDER BY r.id FOR NO KEY UPDATE OF r
"""


def _lock_leased(results: Sequence[AttemptResult]) -> dict[UUID, LeasedRecipient]:
    """Lock and read the recipients for which these results may still be recorded."""
    rows = fetch_as(
        LeasedRecipient,
        _LEASED,
        {
            "attempts": [result.claim.attempt_id for result in results],
            "recipients": [result.claim.recipient_id for result in results],
            "tokens": list({result.claim.token for result in results}),
            "delivering": Status.DELIVERING,
            "uncertain": Outcome.UNCERTAIN,
            "time_scale": TIME_SCALE_PATH,
        },
    )
    return {row.recipient_id: row for row in rows}


_FINISH = """
UPDATE mail_attempt a
SET phase = %s, finished_at = now(), outcome = v.outcome, code = v.code, enhanced_code = v.enhanced_code,
    reply = v.reply, reason = v.reason, about = v.about, remote_host = v.remote_host, tls = v.tls,
    remote_id = v.remote_id, next_attempt_at = now() + v.wait
FROM jsonb_to_recordset(%s::jsonb) AS v(
    id bigint, outcome text, code smallint, enhanced_code text, reply text, reason text, about text, remote_host text,
    tls text, remote_id text, wait interval
)
WHERE a.id = v.id
"""


def _finish_attempts(results: Sequence[AttemptResult], transitions: Mapping[UUID, Transition]) -> None:
    rows = [
        {
            "id": result.claim.attempt_id,
            "outcome": result.reply.outcome,
            "code": result.reply.code,
            "enhanced_code": result.reply.enhanced_code,
            "reply": result.reply.text,
            "reason": result.reply.reason if result.reply.about else "",
            "about": result.reply.about or "",
            "remote_host": result.reply.remote_host,
            "tls": result.reply.tls,
            "remote_id": result.reply.remote_id,
            "wait": transitions[result.claim.recipient_id].wait,
        }
        for result in results
    ]
    execute(_FINISH, [Phase.DONE, as_rows(rows)])
