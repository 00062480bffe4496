"""Counts of the webhook deliveries that are not done, and of endpoints by state."""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.sql import fetch, fetch_one_as
from webhooks.models import EndpointStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookBacklog:
    """`due`: may be posted now. `later`: waits for its next attempt. `leased`: a worker posts it."""

    due: int
    later: int
    leased: int
    oldest_due_seconds: float
    endpoints: Mapping[str, int]


# Deliveries that are done have neither a lease nor a next attempt, so the partial indexes hold no others.
_BACKLOG = f"""
SELECT count(*) FILTER (WHERE d.lease_token IS NULL AND d.next_attempt_at <= now()) AS due,
       count(*) FILTER (WHERE d.lease_token IS NULL AND d.next_attempt_at > now()) AS later,
       count(*) FILTER (WHERE d.lease_token IS NOT NULL) AS leased,
       COALESCE(EXTRACT(epoch FROM now() - min(d.next_attempt_at)
           FILTER (WHERE d.lease_token IS NULL AND d.next_attempt_at <= now())), 0)::float AS oldest_due_seconds
FROM webhooks_webhookdelivery d JOIN webhooks_endpoint e ON e.id = d.endpoint_id
WHERE e.status = '{EndpointStatus.ENABLED}'
  AND (d.lease_token IS NOT NULL OR d.next_attempt_at IS NOT NULL)
"""  # noqa: S608 - built from constants
# An endpoint that fails now is still enabled.
_ENDPOINTS = f"""
SELECT CASE WHEN status <> '{EndpointStatus.ENABLED}' OR failing_since IS NULL THEN status ELSE 'failing' END, count(*)
FROM webhooks_endpoint GROUP BY 1
"""  # noqa: S608
STATES = (EndpointStatus.ENABLED.value, "failing", EndpointStatus.DISABLED.value)


def read_backlog() -> WebhookBacklog:
    """Read the present backlog of all projects."""
    endpoints = dict.fromkeys(STATES, 0) | dict(fetch(_ENDPOINTS))
    backlog = fetch_one_as(WebhookBacklog, _BACKLOG, endpoints=endpoints)
    assert backlog is not None
    return backlog
