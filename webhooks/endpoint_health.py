"""Endpoint health: record successes and failures, and disable endpoints that fail for too long."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from accounts.services import write_notice
from ledger.sql import execute, fetch, fetch_column
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus

GONE = "The endpoint responded with 410 Gone."
TOO_LONG = "Every delivery has failed since {since:%Y-%m-%d %H:%M} UTC."
BY_OWNER = "Disabled by its owner."
# What a list of endpoints can be narrowed to. An endpoint that its owner disables has not failed.
FAILURES: Mapping[str, Q] = {
    "failing": Q(status=EndpointStatus.ENABLED, failing_since__isnull=False),
    "stopped": Q(status=EndpointStatus.DISABLED) & ~Q(disabled_reason__in=["", BY_OWNER]),
}
# The precision of `last_success_at`: a busy endpoint's row is not written for every successful batch.
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
    """Record which endpoints failed and which succeeded, in the caller's transaction.

    An endpoint with both results counts as succeeded. Rows are locked in id order, before the rows of deliveries.
    """
    values: dict[str, object] = {"succeeded": list(succeeded), "failed": list(failed), "step": HEALTH_STEP}
    changed = fetch_column(_CHANGED, values)
    if changed:
        execute(_NOTE, {**values, "changed": changed})


def disable_long_failing(endpoint_ids: Collection[UUID]) -> None:
    """Disable those of these endpoints that have failed for longer than the settings allow."""
    rows = fetch(
        "SELECT id, failing_since FROM webhooks_endpoint WHERE id = ANY(%s) AND failing_since < now() - %s",
        [list(endpoint_ids), settings.WEBHOOK_DISABLE_TIME],
    )
    for pk, since in rows:
        disable(pk, TOO_LONG.format(since=since))


def disable(endpoint_id: UUID, reason: str) -> bool:
    """Disable an endpoint and notify its project; False when it was disabled already.

    Its pending deliveries become failed, so that a later replay of failed deliveries includes them.
    """
    is_changed = switch_off(endpoint_id, reason)
    if is_changed:
        endpoint = Endpoint.objects.select_related("project").defer("secret").get(pk=endpoint_id)
        write_notice(
            endpoint.project,
            kind="webhook_disabled",
            text=f"The webhook endpoint {endpoint.url} was disabled: {reason} No events are posted until it is "
            "enabled again. Missed events can be replayed then, and GET /events lists them.",
            data={"endpoint_id": str(endpoint_id), "url": endpoint.url},
        )
    return is_changed


def switch_off(endpoint_id: UUID, reason: str) -> bool:
    """Disable an endpoint without a notice, at its owner's request; False when it was disabled already."""
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


# The index of due deliveries per endpoint serves this query; few endpoints are disabled.
_STRANDED = """
UPDATE webhooks_webhookdelivery d SET status = %s, next_attempt_at = NULL, finished_at = now()
FROM webhooks_endpoint e
WHERE e.status = %s AND d.endpoint_id = e.id AND d.lease_token IS NULL AND d.next_attempt_at IS NOT NULL
"""


def end_stranded() -> int:
    """Fail the deliveries that were queued while their endpoint was being disabled; the result is their number.

    Writing an event does not lock endpoints, so a writer may still have seen the endpoint enabled.
    """
    return execute(_STRANDED, [DeliveryStatus.FAILED, EndpointStatus.DISABLED])


def switch_on(endpoint_id: UUID) -> None:
    """Enable an endpoint and clear its failure state."""
    Endpoint.objects.filter(pk=endpoint_id).update(
        status=EndpointStatus.ENABLED, disabled_reason="", failing_since=None
    )
