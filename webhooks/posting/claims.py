"""Claim due deliveries fairly: some of each endpoint, so that a slow endpoint does not delay the others.

Messages have a different claim: there a provider's free capacity limits a lane, here each endpoint has its own limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings

from common.fields import decrypt
from ledger.sql import Prepared, execute, fetch_as, fetch_value
from webhooks.models import DeliveryStatus, EndpointStatus

# The error that is logged for an attempt whose worker died.
LOST = "The worker died before the response arrived."


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookClaim:
    """A delivery that this worker has leased under `token`. `secrets` are the valid signing secrets, newest first."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    url: str
    secrets: Sequence[str]
    format: str
    payload: str
    attempts_left: int
    token: UUID


# Selects each endpoint's longest due deliveries, up to its free capacity. A failing endpoint gets 1, so that it
# costs one waiting connection. The endpoint's row is locked during the count, since two workers could otherwise claim
# twice as many. LATERAL reads each endpoint's own part of the index, however long the other queues are. Of a project's
# endpoints each gives its longest due delivery first, then its second, until the project has its number; projects take
# turns in the same way. Two claims at the same instant may each count a project's posts without those of the other.
_CLAIM = """
WITH open AS MATERIALIZED (
    SELECT e.id, e.project_id, e.url, e.format, ARRAY[e.secret] || ARRAY(
               SELECT s.secret FROM webhooks_retiredsecret s WHERE s.endpoint_id = e.id AND s.until > now()
               ORDER BY s.until DESC) AS secrets,
           CASE WHEN e.failing_since IS NULL THEN %(width)s ELSE 1 END
           - (SELECT count(*) FROM webhooks_webhookdelivery h WHERE h.endpoint_id = e.id AND h.lease_token IS NOT NULL)
           AS room
    FROM webhooks_endpoint e
    WHERE e.status = %(enabled)s AND EXISTS (
        SELECT 1 FROM webhooks_webhookdelivery d
        WHERE d.endpoint_id = e.id AND d.lease_token IS NULL AND d.next_attempt_at <= now())
    FOR NO KEY UPDATE OF e SKIP LOCKED
), tenants AS MATERIALIZED (
    SELECT p.project_id, %(project_width)s - (
               SELECT count(*) FROM webhooks_endpoint e JOIN webhooks_webhookdelivery h ON h.endpoint_id = e.id
               WHERE e.project_id = p.project_id AND h.lease_token IS NOT NULL) AS room
    FROM (SELECT DISTINCT project_id FROM open) AS p
), waiting AS MATERIALIZED (
    SELECT d.id, open.project_id, d.next_attempt_at,
           row_number() OVER (PARTITION BY open.id ORDER BY d.next_attempt_at) AS place
    FROM open CROSS JOIN LATERAL (
        SELECT id, next_attempt_at FROM webhooks_webhookdelivery
        WHERE endpoint_id = open.id AND lease_token IS NULL AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT greatest(open.room, 0) FOR NO KEY UPDATE SKIP LOCKED
    ) AS d
), turns AS (
    SELECT id, project_id, row_number() OVER (PARTITION BY project_id ORDER BY place, next_attempt_at) AS turn
    FROM waiting
), due AS MATERIALIZED (
    SELECT turns.id FROM turns JOIN tenants USING (project_id)
    WHERE turns.turn <= tenants.room ORDER BY turns.turn LIMIT %(limit)s
), claimed AS (
    UPDATE webhooks_webhookdelivery d
    SET lease_token = %(token)s, lease_until = now() + %(lease)s, attempt_count = attempt_count + 1,
        attempts_left = attempts_left - 1
    FROM due WHERE d.id = due.id RETURNING d.id, d.endpoint_id, d.event_id, d.payload, d.attempts_left
)
SELECT c.id AS delivery_id, c.endpoint_id, c.event_id, c.payload, c.attempts_left, open.url, open.secrets, open.format
FROM claimed c JOIN open ON open.id = c.endpoint_id
"""


def claim_deliveries(limit: int) -> list[WebhookClaim]:
    """Lease at most `limit` due deliveries, per endpoint and per project at most their connection limits."""
    token = uuid4()
    claims = fetch_as(
        WebhookClaim,
        _CLAIM,
        {
            "width": settings.WEBHOOK_CONNECTIONS,
            "project_width": settings.WEBHOOK_PROJECT_CONNECTIONS,
            "enabled": EndpointStatus.ENABLED,
            "limit": limit,
            "token": token,
            "lease": settings.LEASE_TIME,
        },
        token=token,
    )
    stored = {claim.endpoint_id: claim.secrets for claim in claims}
    secrets = {endpoint_id: [decrypt(text) for text in texts if text] for endpoint_id, texts in stored.items()}
    return [replace(claim, secrets=secrets[claim.endpoint_id]) for claim in claims]


_DUE = """
SELECT EXISTS (SELECT 1 FROM webhooks_endpoint e JOIN LATERAL (
    SELECT 1 FROM webhooks_webhookdelivery d
    WHERE d.endpoint_id = e.id AND d.lease_token IS NULL AND d.next_attempt_at <= now() LIMIT 1
) AS due ON true WHERE e.status = %s)
"""


def is_due() -> bool:
    """Whether any enabled endpoint has a due delivery."""
    return bool(fetch_value(_DUE, [EndpointStatus.ENABLED]))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookWork:
    """Whether there are expired leases, deliveries of disabled endpoints that still wait, and due deliveries."""

    lost: bool
    stranded: bool
    due: bool


# Planned once for a while, since a worker looks each second.
_WORK = Prepared(
    f"""
SELECT EXISTS (SELECT FROM webhooks_webhookdelivery WHERE lease_token IS NOT NULL AND lease_until < now()) AS lost,
       EXISTS (SELECT FROM webhooks_endpoint e JOIN LATERAL (
           SELECT FROM webhooks_webhookdelivery d
           WHERE d.endpoint_id = e.id AND d.lease_token IS NULL AND d.next_attempt_at IS NOT NULL LIMIT 1
       ) AS waiting ON true WHERE e.status = '{EndpointStatus.DISABLED}') AS stranded,
       EXISTS (SELECT FROM webhooks_endpoint e JOIN LATERAL (
           SELECT FROM webhooks_webhookdelivery d
           WHERE d.endpoint_id = e.id AND d.lease_token IS NULL AND d.next_attempt_at <= now() LIMIT 1
       ) AS waiting ON true WHERE e.status = '{EndpointStatus.ENABLED}') AS due
"""  # noqa: S608 - built from constants of this package
)


def find_work() -> WebhookWork:
    """What there is to do, by one statement: a tick of an idle service costs one round trip."""
    return fetch_as(WebhookWork, _WORK)[0]


# The lost worker may have posted already: the receiver recognises a repeated delivery by its webhook-id.
_SWEEP = """
UPDATE webhooks_webhookdelivery
SET lease_token = NULL, lease_until = NULL,
    status = CASE WHEN attempts_left > 0 THEN status ELSE %(failed)s END,
    next_attempt_at = CASE WHEN attempts_left > 0 THEN now() + %(wait)s END,
    finished_at = CASE WHEN attempts_left > 0 THEN finished_at ELSE now() END,
    attempts = attempts || jsonb_build_object('at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'duration_ms', NULL, 'status', NULL, 'error', %(error)s::text, 'response', '')
WHERE lease_token IS NOT NULL AND lease_until < now()
"""


def sweep_lost_leases() -> int:
    """Release the expired leases of dead workers; the result is their number."""
    return execute(_SWEEP, {"failed": DeliveryStatus.FAILED, "wait": timedelta(0), "error": LOST})
