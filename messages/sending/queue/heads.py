"""The selection of a claim: the due recipients of the tenants whose turn it is."""

from collections.abc import Mapping
from datetime import timedelta

from ledger.sql import execute, write_few
from messages.sending.queue.scope import ClaimScope
from messages.sending.queue.turns import Tenant
from messages.sending.queue.waiting import QUEUED, STILL_QUEUED, SUSPECT
from messages.states import OPEN_STATUSES, Lane

# The due recipients of the tenants whose turn it is, those of each in the order of their due times. Of each backlog a
# window is looked at: recipients that may not be claimed now cost no more than that, see `postpone_blocked`. SKIP
# LOCKED, so that workers claim at the same time.
WINDOW = 250
_TENANTS = (
    write_few("""unnest(%(projects)s::uuid[], %(simulated)s::boolean[], %(direct)s::boolean[],
        %(counts)s::bigint[]) AS rows(project_id, is_simulated, is_direct, count)""")
    + " AS t"
)
_WINDOW = f"""SELECT id, domain, sender_id, expires_at FROM mail_recipient
            WHERE lane = %(lane)s AND is_simulated = t.is_simulated AND project_id = t.project_id
              AND {QUEUED} AND next_attempt_at <= now()
            ORDER BY next_attempt_at LIMIT {WINDOW}"""  # noqa: S608 - built from constants of this package
_IS_BLOCKED = """(head.expires_at <= now() OR (t.is_direct AND head.domain = ANY(%(closed_domains)s))
               OR COALESCE(head.sender_id = ANY(%(closed_senders)s), FALSE))"""
TURN_HEADS = f"""
    SELECT taken.id, taken.message_id FROM {_TENANTS}, LATERAL (
        SELECT free.id, free.message_id FROM (
            {_WINDOW}
        ) head, LATERAL (
            SELECT id, message_id FROM mail_recipient
            WHERE {STILL_QUEUED} AND id = head.id AND next_attempt_at <= now() AND status IN ({OPEN_STATUSES})
            FOR NO KEY UPDATE SKIP LOCKED
        ) free
        WHERE NOT {_IS_BLOCKED} LIMIT t.count
    ) taken
"""  # noqa: S608 - built from constants of this package
SUSPECT_HEAD = f"""
    SELECT id, message_id FROM mail_recipient
    WHERE {SUSPECT} AND lane = %(lane)s AND next_attempt_at <= now()
      AND status IN ({OPEN_STATUSES}) AND expires_at > now()
      AND (is_simulated OR project_id = ANY(%(open)s) OR (%(shared)s AND project_id <> ALL(%(closed)s)))
      AND (domain <> ALL(%(closed_domains)s) OR is_simulated OR NOT (project_id = ANY(%(direct)s)
           OR (%(shared_direct)s AND project_id <> ALL(%(open)s) AND project_id <> ALL(%(closed)s))))
      AND (sender_id IS NULL OR sender_id <> ALL(%(closed_senders)s))
    ORDER BY next_attempt_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608 - built from constants of this package


def describe_turns(counts: Mapping[Tenant, int], scope: ClaimScope) -> dict[str, object]:
    """The parameters that name the tenants whose turn it is, and the mail that they may not have claimed."""
    return {
        "count": len(counts),
        "projects": [tenant.project_id for tenant in counts],
        "simulated": [tenant.is_simulated for tenant in counts],
        "direct": [scope.is_direct(tenant) for tenant in counts],
        "counts": list(counts.values()),
        "closed_domains": list(scope.closed_domains),
        "closed_senders": list(scope.closed_senders),
    }


# Expired mail waits for the tick, which fails it; it only must not be in the way.
EXPIRED_WAIT = timedelta(minutes=1)
SENDER_WAIT = timedelta(seconds=1)
# Only of a full window: fewer blocked recipients cost less where they are.
_POSTPONE = f"""
WITH blocked AS MATERIALIZED (
    SELECT free.id, head.domain, head.expires_at <= now() AS is_expired FROM {_TENANTS}, LATERAL (
        {_WINDOW}
    ) head, LATERAL (
        SELECT id FROM mail_recipient WHERE {STILL_QUEUED} AND id = head.id FOR NO KEY UPDATE SKIP LOCKED
    ) free
    WHERE {_IS_BLOCKED} AND EXISTS (
        SELECT FROM mail_recipient
        WHERE lane = %(lane)s AND is_simulated = t.is_simulated AND project_id = t.project_id
          AND {QUEUED} AND next_attempt_at <= now()
        ORDER BY next_attempt_at OFFSET {WINDOW - 1} LIMIT 1
    )
)
UPDATE mail_recipient r
SET next_attempt_at = now() + CASE WHEN b.is_expired THEN %(expired_wait)s ELSE COALESCE(d.wait, %(sender_wait)s) END
FROM blocked b LEFT JOIN unnest(%(closed_domains)s::text[], %(waits)s::interval[]) AS d(domain, wait)
    ON d.domain = b.domain
WHERE r.id = b.id
"""  # noqa: S608 - built from constants of this package


def postpone_blocked(lane: Lane, counts: Mapping[Tenant, int], scope: ClaimScope) -> int:
    """Let the mail wait that stands before a tenant's other due mail and may not be claimed now: it has expired, its
    domain takes none, or its sender is refused. It is due again when that may be over. Returns the number of rows.

    Only where such mail fills the whole window; a claim takes it out of its way once, and not again at each claim.
    """
    values = describe_turns(counts, scope) | {
        "lane": lane,
        "waits": list(scope.closed_domains.values()),
        "expired_wait": EXPIRED_WAIT,
        "sender_wait": SENDER_WAIT,
    }
    return execute(_POSTPONE, values)
