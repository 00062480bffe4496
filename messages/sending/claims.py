"""Claims of due recipients: a claim leases each recipient to one worker at a time."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from domains.domain_status import VERIFIED_STATUSES
from ledger.sql import execute, fetch_as, fetch_column, fetch_value
from messages.states import OPEN_STATUSES, Lane, Phase, Status
from providers.routing.selection import ProviderRef


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimScope:
    """The projects whose mail may be claimed now.

    `open_projects` have a usable provider of their own, `closed_projects` have only unusable ones. All others use the
    shared providers, of which at least one is usable if `is_shared_open`.
    """

    is_shared_open: bool
    open_projects: Sequence[UUID]
    closed_projects: Sequence[UUID]
    # The projects that deliver directly to the recipients' servers, and the domains that take no more mail now.
    is_shared_direct: bool = False
    direct_projects: Sequence[UUID] = ()
    closed_domains: Sequence[str] = ()
    # The senders that were found to be refused just now.
    closed_senders: Sequence[UUID] = ()


# Selects the due recipients of a lane, the longest due first, and the other due recipients of the same messages: an
# ESP takes a message's recipients in one call. MATERIALIZED, because PostgreSQL may run a plain IN (SELECT … LIMIT)
# again for each row and claim too many. SKIP LOCKED, so that workers claim at the same time.
_CLAIM = f"""
WITH heads AS MATERIALIZED (
    SELECT id, message_id FROM mail_recipient
    WHERE lane = %(lane)s AND lease_token IS NULL AND next_attempt_at <= now() AND {{suspects}}
      AND status IN ({OPEN_STATUSES}) AND expires_at > now()
      AND (is_simulated OR project_id = ANY(%(open)s) OR (%(shared)s AND project_id <> ALL(%(closed)s)))
      AND (domain <> ALL(%(closed_domains)s) OR is_simulated OR NOT (project_id = ANY(%(direct)s)
           OR (%(shared_direct)s AND project_id <> ALL(%(open)s) AND project_id <> ALL(%(closed)s))))
      AND (sender_id IS NULL OR sender_id <> ALL(%(closed_senders)s))
    ORDER BY {{order}} LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
), siblings AS MATERIALIZED (
    SELECT id FROM mail_recipient
    WHERE message_id IN (SELECT message_id FROM heads) AND id NOT IN (SELECT id FROM heads) AND NOT %(alone)s
      AND lease_token IS NULL AND next_attempt_at <= now() AND expires_at > now() AND {{suspects}}
    FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE mail_recipient r
    SET lease_token = %(token)s, lease_until = now() + %(lease)s, attempt_count = attempt_count + 1
    FROM (SELECT id FROM heads UNION ALL SELECT id FROM siblings) AS due WHERE r.id = due.id
    RETURNING r.id, r.message_id, r.project_id, r.address, r.domain, r.is_simulated, r.sender_id, r.status,
              r.attempt_count
), attempts AS (
    INSERT INTO mail_attempt
        (recipient_id, number, lease_token, phase, provider_name, claimed_at, outcome, enhanced_code, reply,
         remote_host, tls)
    SELECT id, attempt_count, %(token)s, %(phase)s, '', now(), '', '', '', '', '' FROM claimed
    RETURNING id, recipient_id
)
SELECT c.id AS recipient_id, c.message_id, c.project_id, c.address, c.domain, c.is_simulated, c.sender_id,
       c.sender_id IS NULL OR COALESCE(d.status IN ({VERIFIED_STATUSES}), FALSE) AS is_sender_verified, c.status,
       a.id AS attempt_id, c.attempt_count AS number
FROM claimed c JOIN attempts a ON a.recipient_id = c.id
LEFT JOIN domains_domain d ON d.id = c.sender_id AND d.project_id = c.project_id
"""  # noqa: S608 - built from constants of this package
_HEALTHY = _CLAIM.format(suspects="crash_count = 0", order="next_attempt_at")
_SUSPECT = _CLAIM.format(suspects="crash_count > 0", order="next_attempt_at")
# Past expired recipients that the tick has not failed yet: the first to expire comes first, along that index.
_PAST_EXPIRED = _CLAIM.format(suspects="crash_count = 0", order="expires_at")


def claim_recipients(lane: Lane, limit: int, scope: ClaimScope, *, has_expired: bool = False) -> list[Claim]:
    """Claim due recipients of up to `limit` messages, except those whose last attempt crashed its worker.

    Expired recipients are never claimed. With `has_expired` the claim does not walk along them, see `ExpiredBacklog`.
    """
    return _claim(_PAST_EXPIRED if has_expired else _HEALTHY, lane, limit, scope)


def claim_suspect(lane: Lane, scope: ClaimScope) -> list[Claim]:
    """Claim one recipient whose last attempt crashed its worker. It is claimed alone: a new crash affects no other."""
    return _claim(_SUSPECT, lane, 1, scope)


def _claim(sql: str, lane: Lane, limit: int, scope: ClaimScope) -> list[Claim]:
    token = uuid4()
    return fetch_as(
        Claim,
        sql,
        {
            "lane": lane,
            "limit": limit,
            "alone": sql is _SUSPECT,
            "token": token,
            "lease": settings.LEASE_TIME,
            "phase": Phase.CLAIMED,
            "shared": scope.is_shared_open,
            "open": list(scope.open_projects),
            "closed": list(scope.closed_projects),
            "shared_direct": scope.is_shared_direct,
            "direct": list(scope.direct_projects),
            "closed_domains": list(scope.closed_domains),
            "closed_senders": list(scope.closed_senders),
        },
        token=token,
    )


def is_due(lane: Lane) -> bool:
    """Whether the lane has due recipients, whether or not a provider can take them now."""
    return bool(
        fetch_value(
            "SELECT EXISTS (SELECT 1 FROM mail_recipient"
            " WHERE lane = %s AND lease_token IS NULL AND next_attempt_at <= now())",
            [lane],
        )
    )


# More expired recipients than this in a lane make claims take the other order.
MANY_EXPIRED = 200
BACKLOG_SECONDS = 1.0
_MANY_EXPIRED = f"""
SELECT count(*) FROM (
    SELECT 1 FROM mail_recipient WHERE lane = %s AND status IN ({OPEN_STATUSES}) AND expires_at <= now() LIMIT %s
) AS expired
"""  # noqa: S608 - built from constants of this package


class ExpiredBacklog:
    """Whether a lane holds many expired recipients, as after an outage; looked up at most once a second.

    They stay due until the tick has failed them, and a claim in the order of due times would walk along all of them.
    """

    def __init__(self) -> None:
        self._found: dict[Lane, tuple[float, bool]] = {}

    def is_large(self, lane: Lane) -> bool:
        looked_at, found = self._found.get(lane, (float("-inf"), False))
        if monotonic() - looked_at < BACKLOG_SECONDS:
            return found
        found = int(fetch_value(_MANY_EXPIRED, [lane, MANY_EXPIRED])) >= MANY_EXPIRED
        self._found[lane] = (monotonic(), found)
        return found


# The lock keeps the sweep out, so that the check of the lease and the mark are one step: either the lease is ours until
# the mark is committed, or the mark is not set and the final dot is not sent.
_LEASED = """
WITH leased AS MATERIALIZED (
    SELECT id, expires_at FROM mail_recipient
    WHERE id = ANY(%(recipients)s) AND lease_token = ANY(%(tokens)s) AND lease_until > now()
    ORDER BY id FOR NO KEY UPDATE
)
"""
_START = (
    _LEASED
    + """
UPDATE mail_attempt a
SET phase = %(phase)s, started_at = now(), provider_id = v.provider_id, provider_name = v.provider_name
FROM leased, unnest(%(attempts)s, %(provider_ids)s::uuid[], %(provider_names)s::text[])
    AS v(id, provider_id, provider_name)
WHERE a.id = v.id AND a.recipient_id = leased.id AND a.phase = %(before)s
RETURNING a.recipient_id
"""
)
_DOT = (
    _LEASED
    + """
UPDATE mail_attempt a SET phase = %(phase)s
FROM leased WHERE a.id = ANY(%(attempts)s) AND a.recipient_id = leased.id AND a.phase = %(before)s
  AND leased.expires_at > now()
RETURNING a.recipient_id
"""
)


def mark_started(claims: Sequence[Claim], providers: Sequence[ProviderRef]) -> set[UUID]:
    """Record the start of attempts and the provider of each. Returns the recipients that are still leased to us."""
    return _mark(
        _START,
        claims,
        phase=Phase.STARTED,
        before=Phase.CLAIMED,
        provider_ids=[provider.id for provider in providers],
        provider_names=[provider.name for provider in providers],
    )


def keep_decisions(decisions: Mapping[int, dict[str, Any]]) -> None:
    """Record the reason for each attempt's provider; `decisions` holds the reasons by attempt id."""
    if decisions:
        execute(
            "UPDATE mail_attempt a SET decision = v.decision::jsonb FROM unnest(%s::bigint[], %s::text[])"
            " AS v(id, decision) WHERE a.id = v.id",
            [list(decisions), [json.dumps(decision) for decision in decisions.values()]],
        )


def mark_dot_sent(claims: Sequence[Claim]) -> set[UUID]:
    """Record that the final dot is about to be sent. Only the returned recipients may get it: those that are still
    leased to us and have not expired.
    """
    return _mark(_DOT, claims, phase=Phase.DOT_SENT, before=Phase.STARTED)


def _mark(sql: str, claims: Sequence[Claim], **values: object) -> set[UUID]:
    if not claims:
        return set()
    params = {
        "recipients": [claim.recipient_id for claim in claims],
        "tokens": list({claim.token for claim in claims}),
        "attempts": [claim.attempt_id for claim in claims],
        **values,
    }
    return set(fetch_column(sql, params))


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
