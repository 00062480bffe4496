"""Claims of due recipients: a claim leases each recipient to one worker at a time."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from delivery.records import record
from domains.domain_status import VERIFIED_STATUSES
from ledger.sql import Prepared, as_ids, as_nullable, as_texts, execute, fetch_as, send, write_few
from messages.sending.queue.heads import SUSPECT_HEAD, TURN_HEADS, describe_turns, postpone_blocked
from messages.sending.queue.scope import ClaimScope as ClaimScope
from messages.sending.queue.turns import Demand, Tenant, Turns
from messages.sending.queue.waiting import MANY, STILL_QUEUED, WaitingList
from messages.states import Lane, Phase, Status
from providers.routing.selection import ProviderRef


@record(frozen=True, slots=True, kw_only=True)
class Claim:
    """A recipient that this worker has leased under `token`, with the attempt made for it."""

    recipient_id: UUID
    message_id: UUID
    project_id: UUID
    address: str
    domain: str
    is_simulated: bool
    # See `Recipient.sender_id`. `is_sender_verified`: it is a verified domain of the project, or None.
    sender_id: UUID | None
    is_sender_verified: bool
    status: Status
    attempt_id: int
    number: int
    token: UUID
    lane: Lane


class LaneQueue:
    """The memory of one worker child for its claims from one lane: the turns of projects, and those with due mail."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.turns = Turns()
        self.waiting = WaitingList(lane)


# The other due recipients of the same messages: an ESP takes a message's recipients in one call. A suspect is alone.
# OFFSET 0 keeps the step from message to recipients on its index: with old statistics PostgreSQL would go along the
# whole queue for each head.
_SIBLINGS = f"""
    SELECT other.id FROM (SELECT DISTINCT message_id FROM heads) head, LATERAL (
        SELECT id FROM mail_recipient
        WHERE message_id = head.message_id AND id NOT IN (SELECT id FROM heads) OFFSET 0
    ) member, LATERAL (
        SELECT id FROM mail_recipient
        WHERE {STILL_QUEUED} AND id = member.id AND next_attempt_at <= now() AND expires_at > now()
        FOR NO KEY UPDATE SKIP LOCKED
    ) other
"""  # noqa: S608 - built from constants of this package
_NO_SIBLINGS = "SELECT id FROM heads WHERE FALSE"
# MATERIALIZED, because PostgreSQL may run a plain IN (SELECT … LIMIT) again for each row and claim too many.
_CLAIM = f"""
WITH heads AS MATERIALIZED ({{heads}}), siblings AS MATERIALIZED ({{siblings}}), claimed AS (
    UPDATE mail_recipient r
    SET lease_token = %(token)s, lease_until = now() + %(lease)s, attempt_count = attempt_count + 1
    FROM (SELECT id FROM heads UNION ALL SELECT id FROM siblings) AS due WHERE r.id = due.id
    RETURNING r.id, r.message_id, r.project_id, r.address, r.domain, r.is_simulated, r.sender_id, r.status,
              r.attempt_count
), attempts AS (
    INSERT INTO mail_attempt
        (recipient_id, project_id, number, lease_token, phase, provider_name, claimed_at, outcome, enhanced_code, reply,
         remote_host, tls)
    SELECT id, project_id, attempt_count, %(token)s, %(phase)s, '', now(), '', '', '', '', '' FROM claimed
    RETURNING id, recipient_id
)
SELECT c.id AS recipient_id, c.message_id, c.project_id, c.address, c.domain, c.is_simulated, c.sender_id,
       c.sender_id IS NULL OR COALESCE(d.status IN ({VERIFIED_STATUSES}), FALSE) AS is_sender_verified, c.status,
       a.id AS attempt_id, c.attempt_count AS number
FROM claimed c JOIN attempts a ON a.recipient_id = c.id
LEFT JOIN domains_domain d ON d.id = c.sender_id AND d.project_id = c.project_id
"""  # noqa: S608 - built from constants of this package
_HEALTHY = Prepared(_CLAIM.format(heads=TURN_HEADS, siblings=_SIBLINGS))
_SUSPECT = Prepared(_CLAIM.format(heads=SUSPECT_HEAD, siblings=_NO_SIBLINGS))


def claim_recipients(lane: Lane, limit: int, scope: ClaimScope, queue: LaneQueue | None = None) -> list[Claim]:
    """Claim due recipients of up to `limit` messages, except those whose last attempt crashed its worker.

    Projects take turns, see `Turns`; `queue` remembers them from claim to claim. Expired recipients are never claimed.
    """
    queue = queue or LaneQueue(lane)
    demands = [
        Demand(
            tenant=one.tenant,
            weight=one.weight,
            most=scope.find_room(one.tenant, limit if one.count >= MANY else min(limit, one.count)),
            is_light=one.is_light,
        )
        for one in queue.waiting.read()
    ]
    counts = queue.turns.share_out(limit, demands)
    if not counts:
        return []
    claims = _claim_turns(lane, counts, scope)
    taken = Counter(Tenant(claim.project_id, claim.is_simulated) for claim in claims)
    if stalled := {tenant: count for tenant, count in counts.items() if not taken[tenant]}:
        if postpone_blocked(lane, stalled, scope):
            more = _claim_turns(lane, stalled, scope, claims[0].token if claims else None)
            taken.update(Tenant(claim.project_id, claim.is_simulated) for claim in more)
            claims += more
        queue.waiting.forget()
    queue.turns.charge(demands, {tenant: taken[tenant] for tenant in counts})
    return claims


def claim_suspect(lane: Lane, scope: ClaimScope) -> list[Claim]:
    """Claim one recipient whose last attempt crashed its worker. It is claimed alone: a new crash affects no other."""
    return _claim(
        _SUSPECT,
        lane,
        {
            "shared": scope.is_shared_open,
            "open": list(scope.open_projects),
            "closed": list(scope.closed_projects),
            "shared_direct": scope.is_shared_direct,
            "direct": list(scope.direct_projects),
            "closed_domains": list(scope.closed_domains),
            "closed_senders": list(scope.closed_senders),
        },
    )


def _claim_turns(lane: Lane, counts: Mapping[Tenant, int], scope: ClaimScope, token: UUID | None = None) -> list[Claim]:
    return _claim(_HEALTHY, lane, describe_turns(counts, scope), token)


def _claim(sql: str, lane: Lane, values: Mapping[str, object], token: UUID | None = None) -> list[Claim]:
    token = token or uuid4()
    usual = {"lane": lane, "token": token, "lease": settings.LEASE_TIME, "phase": Phase.CLAIMED}
    return fetch_as(Claim, sql, {**usual, **values}, token=token, lane=lane)


# The lock keeps the sweep out, so that the check of the lease and the mark are one step: either the lease is ours until
# the mark is committed, or the mark is not set and the final dot is not sent. Rows are locked in the order of the ids.
# IS TRUE keeps it from the index of leases, which has all those of this moment.
_LEASED = """
WITH leased AS MATERIALIZED (
    SELECT v.*, r.expires_at FROM (
        SELECT * FROM {few} AS few ORDER BY recipient_id
    ) AS v, LATERAL (
        SELECT expires_at FROM mail_recipient
        WHERE id = v.recipient_id AND (lease_token = ANY(%(tokens)s::uuid[]) AND lease_until > now()) IS TRUE
        FOR NO KEY UPDATE
    ) AS r
)
"""
_COLUMNS = "%(recipients)s::uuid[], %(attempts)s::bigint[]"
_START = Prepared(
    _LEASED.format(
        few=write_few(
            f"unnest({_COLUMNS}, %(provider_ids)s::uuid[], %(provider_names)s::text[])"
            " AS rows(recipient_id, attempt_id, provider_id, provider_name)"
        )
    )
    + """
UPDATE mail_attempt a
SET phase = CASE WHEN a.id = ANY(%(ahead)s::bigint[]) AND leased.expires_at > now() + %(valid)s THEN %(dot)s
    ELSE %(phase)s END,
    started_at = now(), provider_id = leased.provider_id, provider_name = leased.provider_name
FROM leased
WHERE a.id = leased.attempt_id AND a.recipient_id = leased.recipient_id AND a.phase = %(before)s
RETURNING a.recipient_id, a.phase = %(dot)s
"""
)
_DOT = Prepared(
    _LEASED.format(few=write_few(f"unnest({_COLUMNS}) AS rows(recipient_id, attempt_id)"))
    + """
UPDATE mail_attempt a SET phase = %(phase)s
FROM leased WHERE a.id = leased.attempt_id AND a.recipient_id = leased.recipient_id
  AND (a.phase = %(before)s OR a.phase = %(phase)s AND a.id = ANY(%(again)s::bigint[]))
  AND leased.expires_at > now()
RETURNING a.recipient_id
"""
)


# Rows that begin with the id of a recipient.
Marked = Callable[[], Iterable[tuple[Any, ...]]]
# How long a permit counts that was given with the start. An older one is asked for again, so that a child that stood
# still sends nothing on the strength of a lease that it has lost.
AHEAD_TIME = timedelta(seconds=2)


def send_started(claims: Sequence[Claim], providers: Sequence[ProviderRef], ahead: Collection[Claim] = ()) -> Marked:
    """Record the start of attempts and the provider of each. The result gives the recipients that are still leased to
    us, after the end of the caller's pipeline, each with whether its final dot is granted with the start: those of
    `ahead` that do not expire within AHEAD_TIME.
    """
    return _send_mark(
        _START,
        claims,
        phase=Phase.STARTED,
        before=Phase.CLAIMED,
        dot=Phase.DOT_SENT,
        ahead=as_ids(claim.attempt_id for claim in ahead),
        valid=AHEAD_TIME,
        provider_ids=as_nullable(provider.id for provider in providers),
        provider_names=as_texts(provider.name for provider in providers),
    )


def mark_started(claims: Sequence[Claim], providers: Sequence[ProviderRef]) -> set[UUID]:
    """`send_started` outside of a pipeline."""
    return {recipient_id for recipient_id, _ in send_started(claims, providers)()}


def keep_decisions(decisions: Mapping[int, dict[str, Any]]) -> None:
    """Record the reason for each attempt's provider; `decisions` holds the reasons by attempt id."""
    if decisions:
        execute(
            "UPDATE mail_attempt a SET decision = v.decision::jsonb FROM unnest(%s::bigint[], %s::text[])"
            " AS v(id, decision) WHERE a.id = v.id",
            [list(decisions), [json.dumps(decision) for decision in decisions.values()]],
        )


def send_dots(claims: Sequence[Claim], again: Collection[Claim] = ()) -> Marked:
    """Record that the final dot is about to be sent. Only the recipients of the result may get it: those that are still
    leased to us and have not expired. The result is there after the end of the caller's pipeline.

    `again` are claims whose permit was given with the start and has grown old.
    """
    ids = as_ids(claim.attempt_id for claim in again)
    return _send_mark(_DOT, claims, phase=Phase.DOT_SENT, before=Phase.STARTED, again=ids)


def mark_dot_sent(claims: Sequence[Claim]) -> set[UUID]:
    """`send_dots` outside of a pipeline."""
    return {recipient_id for (recipient_id,) in send_dots(claims)()}


def _send_mark(sql: str, claims: Sequence[Claim], **values: object) -> Marked:
    if not claims:
        return tuple
    params = {
        "count": len(claims),
        "recipients": as_ids(claim.recipient_id for claim in claims),
        "tokens": as_ids({claim.token for claim in claims}),
        "attempts": as_ids(claim.attempt_id for claim in claims),
        **values,
    }
    return send(sql, params)


_RELEASE = """
WITH freed AS (
    UPDATE mail_recipient SET lease_token = NULL, lease_until = NULL, attempt_count = attempt_count - 1
    WHERE id = ANY(%s) AND lease_token = ANY(%s) RETURNING id
)
DELETE FROM mail_attempt a USING freed WHERE a.id = ANY(%s) AND a.recipient_id = freed.id AND a.phase = %s
"""


def release_claims(claims: Collection[Claim]) -> None:
    """Undo claims whose attempts have not started: release the leases and delete the attempts."""
    if claims:
        execute(
            _RELEASE,
            [
                [claim.recipient_id for claim in claims],
                list({claim.token for claim in claims}),
                [claim.attempt_id for claim in claims],
                Phase.CLAIMED,
            ],
        )
