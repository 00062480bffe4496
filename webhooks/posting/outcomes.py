"""Decide what a response means for its delivery and its endpoint, and record a batch in one transaction."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from random import Random
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from common.times import format_time
from delivery.retry import next_wait
from ledger.sql import fetch_column
from ledger.telemetry.families import WEBHOOK_ATTEMPTS, WEBHOOK_SECONDS
from ledger.telemetry.lines import log_line
from ledger.telemetry.spans import email_span, note_step
from webhooks.endpoint_health import GONE, disable, disable_long_failing, note_health
from webhooks.models import DeliveryStatus
from webhooks.posting.claims import WebhookClaim
from webhooks.posting.http_client import PostOutcome

EMAIL_ID = re.compile(r'"email_id"\s*:\s*"([0-9a-f-]{36})"')
# Jitter needs no secrecy.
SPREAD = Random()  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class PostResult:
    """A posted delivery and its result."""

    claim: WebhookClaim
    answered: PostOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDecision:
    """The delivery's next state, and the wait before the next attempt; None when there is no further attempt."""

    status: DeliveryStatus
    wait: timedelta | None = None


def decide_delivery(result: PostResult) -> DeliveryDecision:
    """Any 2xx is a success. All other results are retried while attempts are left, with two exceptions that need a
    person: 410 Gone (RFC 9110, 15.5.11), and a host that the guard refuses.
    """
    answered, attempts_left = result.answered, result.claim.attempts_left
    if answered.is_success:
        return DeliveryDecision(status=DeliveryStatus.DELIVERED)
    if answered.is_refused or answered.status == HTTPStatus.GONE or attempts_left <= 0:
        return DeliveryDecision(status=DeliveryStatus.FAILED)
    waits = settings.WEBHOOK_WAITS
    wait = next_wait(max(len(waits) + 1 - attempts_left, 1), waits, SPREAD)
    return DeliveryDecision(status=DeliveryStatus.PENDING, wait=max(wait, answered.retry_after or timedelta(0)))


# The log keeps the last twenty attempts, since a delivery may be replayed without limit.
_RECORD = """
UPDATE webhooks_webhookdelivery d
SET status = v.status, next_attempt_at = now() + v.wait, lease_token = NULL, lease_until = NULL,
    finished_at = CASE WHEN v.wait IS NULL THEN now() END,
    attempts = CASE WHEN jsonb_array_length(d.attempts) < 20 THEN d.attempts ELSE d.attempts - 0 END || v.try
FROM unnest(%s::uuid[], %s::text[], %s::interval[], %s::jsonb[]) AS v(id, status, wait, try)
WHERE d.id = v.id AND d.lease_token = ANY(%s)
RETURNING d.id
"""


def record_posts(results: Sequence[PostResult]) -> set[UUID]:
    """Record the results of posts; the result holds the ids of the deliveries whose lease was still valid."""
    if not results:
        return set()
    verdicts = [decide_delivery(result) for result in results]
    succeeded = {result.claim.endpoint_id for result in results if result.answered.is_success}
    failed = {result.claim.endpoint_id for result in results} - succeeded
    with transaction.atomic():
        note_health(succeeded=succeeded, failed=failed)
        recorded = set(
            fetch_column(
                _RECORD,
                [
                    [result.claim.delivery_id for result in results],
                    [verdict.status for verdict in verdicts],
                    [verdict.wait for verdict in verdicts],
                    [json.dumps(attempt_log_entry(result.answered)) for result in results],
                    list({result.claim.token for result in results}),
                ],
            )
        )
        for pk in {each.claim.endpoint_id for each in results if each.answered.status == HTTPStatus.GONE}:
            disable(pk, GONE)
        disable_long_failing(failed)
    count_posts(zip(results, verdicts, strict=True), recorded)
    return recorded


def count_posts(decided: Iterable[tuple[PostResult, DeliveryDecision]], recorded: Collection[UUID]) -> None:
    """Count and log the posts that were recorded: those that will be tried again as `deferred`."""
    for result, verdict in decided:
        if result.claim.delivery_id in recorded:
            outcome = "deferred" if verdict.status is DeliveryStatus.PENDING else str(verdict.status)
            WEBHOOK_ATTEMPTS.add(outcome)
            WEBHOOK_SECONDS.observe(result.answered.duration.total_seconds(), outcome)
            log_post(result, outcome)


def log_post(result: PostResult, outcome: str) -> None:
    """A line by which the ids of an email and a webhook delivery join."""
    claim, answered = result.claim, result.answered
    email = EMAIL_ID.search(claim.payload)
    facts = {
        "webhook_delivery_id": claim.delivery_id,
        "endpoint_id": claim.endpoint_id,
        "event_id": claim.event_id,
        "email_id": email[1] if email else None,
        "outcome": outcome,
        "status": answered.status,
        "duration_ms": round(answered.duration / timedelta(milliseconds=1), 1),
    }
    log_line("webhook_attempt", **facts)
    if settings.IS_TRACED:
        parent, has_failed = email_span(email[1]) if email else None, not answered.is_success
        note_step("webhook", parent, answered.duration.total_seconds(), has_failed=has_failed, **facts)


def attempt_log_entry(answered: PostOutcome) -> dict[str, Any]:
    """An attempt in the form of the log."""
    return {
        "at": format_time(datetime.now(UTC) - answered.duration),
        "duration_ms": round(answered.duration / timedelta(milliseconds=1)),
        "status": answered.status,
        "error": answered.error,
        "response": answered.excerpt,
    }
