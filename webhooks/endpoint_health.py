"""Endpoints that fail: since when, and when they are given up."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings

from accounts.services import write_notice
from ledger.sql import execute, fetch
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus

GONE = "It answered 410 Gone: it wants no more."
TOO_LONG = "It has only failed since {since:%Y-%m-%d %H:%M} UTC."
# A busy endpoint's row is not written with every batch of posts that succeed.
HEALTH_STEP = timedelta(seconds=10)


_CHANGED = """
SELECT id FROM webhooks_endpoint
WHERE id = ANY(%(succeeded)s)
    AND (failing_since IS NOT NULL OR last_success_at IS NULL OR last_success_at < now() - %(step)s)
    OR id = ANY(%(failed)s)
ORDER BY id FOR NO KEY UPDATE
"""
_NOTE = """
UPDATE webhooks_endpoint
SET failing_since = CASE WHEN is_well THEN NULL ELSE COALESCE(failing_since, now()) END,
    last_success_at = CASE WHEN is_well THEN now() ELSE last_success_at END,
    last_failure_at = CASE WHEN is_well THEN last_failure_at ELSE now() END
FROM unnest(%(changed)s::uuid[]) AS changed(pk), LATERAL (SELECT pk = ANY(%(succeeded)s) AS is_well) AS health
WHERE id = pk
"""


def note_health(*, succeeded: Collection[UUID], failed: Collection[UUID]) -> None:
    """Write down which endpoints fail and which do not any more; in the caller's transaction.

    An endpoint that did both has not failed. The rows are locked in order, before those of deliveries.
    """
    values: dict[str, object] = {"succeeded": list(succeeded), "failed": list(failed), "step": HEALTH_STEP}
    changed = [row[0] for row in fetch(_CHANGED, values)]
    if changed:
        execute(_NOTE, {**values, "changed": changed})


def disable_long_failing(endpoint_ids: Collection[UUID]) -> None:
    """Give up those of these endpoints that have failed for too long."""
    rows = fetch(
        "SELECT id, failing_since FROM webhooks_endpoint WHERE id = ANY(%s) AND failing_since < now() - %s",
        [list(endpoint_ids), settings.WEBHOOK_DISABLE_TIME],
    )
    for pk, since in rows:
        disable(pk, TOO_LONG.format(since=since))


def disable(endpoint_id: UUID, reason: str) -> bool:
    """Post nothing more to an endpoint and tell its project; False when it was disabled already.

    What was on its way has failed, so that it is replayed with the rest when the endpoint is back.
    """
    is_changed = switch_off(endpoint_id, reason)
    if is_changed:
        endpoint = Endpoint.objects.select_related("project").defer("secret", "previous_secret").get(pk=endpoint_id)
        write_notice(
            endpoint.project,
            kind="webhook_disabled",
            text=f"The webhook endpoint {endpoint.url} was disabled: {reason} Nothing is posted to it until it is "
            "enabled again; what it missed can be replayed then, and stands in GET /events.",
            data={"endpoint_id": str(endpoint_id), "url": endpoint.url},
        )
    return is_changed


def switch_off(endpoint_id: UUID, reason: str) -> bool:
    """Disable an endpoint without a notice: its owner does it."""
    is_changed = Endpoint.objects.filter(pk=endpoint_id, status=EndpointStatus.ENABLED).update(
        status=EndpointStatus.DISABLED, disabled_reason=reason
    )
    if is_changed:
        execute(
            "UPDATE webhooks_webhookdelivery SET status = %s, next_attempt_at = NULL, lease_token = NULL,"
            " lease_until = NULL, finished_at = now() WHERE endpoint_id = %s AND status = %s",
            [DeliveryStatus.FAILED, endpoint_id, DeliveryStatus.PENDING],
        )
    return bool(is_changed)


# The index of what is due per endpoint finds them; few endpoints are disabled.
_STRANDED = """
UPDATE webhooks_webhookdelivery d SET status = %s, next_attempt_at = NULL, finished_at = now()
FROM webhooks_endpoint e
WHERE e.status = %s AND d.endpoint_id = e.id AND d.lease_token IS NULL AND d.next_attempt_at IS NOT NULL
"""


def end_stranded() -> int:
    """Let fail what was put on its way while its endpoint was being disabled; returns how much.

    Who writes an event does not lock endpoints, and may have seen this one enabled a moment before.
    """
    return execute(_STRANDED, [DeliveryStatus.FAILED, EndpointStatus.DISABLED])


def switch_on(endpoint_id: UUID) -> None:
    """Post to an endpoint again, as if it had never failed."""
    Endpoint.objects.filter(pk=endpoint_id).update(
        status=EndpointStatus.ENABLED, disabled_reason="", failing_since=None
    )
