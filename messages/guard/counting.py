"""Counts what the guard judges: the events of live mail, each read once, a quarter of a minute after it was made."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from common.ids import least_id_at
from delivery.judging.rules import RULES
from delivery.judging.terms import About
from domains.public_suffixes import name_mailbox_provider
from ledger.sql import execute, fetch_as, fetch_one_as
from messages.pause_models import PauseKind
from providers.models import ProviderKind
from tracking.models import EventType

DAY = timedelta(hours=24)
BUCKET = timedelta(minutes=10)
# An event is visible when its transaction has ended. One that takes longer is not counted.
LAG = timedelta(seconds=15)
# A bucket has at most so many mailbox providers of a project: the largest.
MAX_PROVIDERS = 300
MAX_DOMAINS = 500
# What suppresses the address: about the recipient, for good.
FOR_GOOD = [str(reason) for reason, (rule, _) in RULES.items() if rule.about is About.RECIPIENT and rule.is_for_good]

# One row for each bucket's combination of scopes. An event with an attempt's number is that attempt's own result.
_COUNT = """
SELECT e.project_id, m.stream, lower(m.from_address) AS from_address, r.domain,
       CASE WHEN p.kind = %(mx)s THEN a.remote_host ELSE '' END AS host,
       count(*) FILTER (WHERE e.data ? 'attempt') AS sent,
       count(*) FILTER (WHERE e.type = %(bounced)s AND e.data ->> 'about' = %(recipient)s
                        AND e.data ->> 'reason' = ANY(%(for_good)s)) AS bounced,
       count(*) FILTER (WHERE e.type = %(complained)s) AS complained
FROM tracking_event e
JOIN mail_recipient r ON r.id = e.recipient_id
JOIN mail_message m ON m.id = r.message_id
LEFT JOIN LATERAL (SELECT provider_id, remote_host FROM mail_attempt
                   WHERE recipient_id = r.id ORDER BY number DESC LIMIT 1) a ON TRUE
LEFT JOIN providers_provider p ON p.id = a.provider_id
WHERE e.id >= %(first)s AND e.id < %(end)s AND e.type = ANY(%(types)s) AND NOT m.is_test AND NOT r.is_simulated
GROUP BY 1, 2, 3, 4, 5
"""
_STORE = """
INSERT INTO mail_guardcount AS c (project_id, kind, value, starts_at, sent, bounced, complained, domains)
SELECT v.project_id, v.kind, v.value, %s, v.sent, v.bounced, v.complained, v.domains
FROM jsonb_to_recordset(%s::jsonb) AS v(
    project_id uuid, kind text, value text, sent bigint, bounced bigint, complained bigint, domains text[])
WHERE EXISTS (SELECT FROM accounts_project WHERE id = v.project_id)
ON CONFLICT (project_id, kind, value, starts_at) DO UPDATE
SET sent = c.sent + excluded.sent, bounced = c.bounced + excluded.bounced,
    complained = c.complained + excluded.complained,
    domains = ARRAY(SELECT DISTINCT unnest(c.domains || excluded.domains) LIMIT %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """Events of one combination of scopes."""

    project_id: UUID
    stream: str
    from_address: str
    domain: str
    host: str | None
    sent: int
    bounced: int
    complained: int

    def list_scopes(self) -> Iterable[tuple[PauseKind, str]]:
        yield PauseKind.PROJECT, str(self.project_id)
        yield PauseKind.STREAM, self.stream
        yield PauseKind.SENDER_DOMAIN, self.from_address.rpartition("@")[2]
        yield PauseKind.MAILBOX_PROVIDER, name_mailbox_provider(self.host or "", self.domain)


@dataclass(slots=True)
class Sums:
    sent: int = 0
    bounced: int = 0
    complained: int = 0
    domains: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class CountingProgress:
    counted_until: datetime


def count_events() -> int:
    """Count the next events, of one bucket at most. Returns 1 if there may be more."""
    with transaction.atomic():
        execute("INSERT INTO mail_guardstate (id, counted_until) VALUES (1, now()) ON CONFLICT DO NOTHING")
        found = fetch_one_as(
            CountingProgress, "SELECT counted_until FROM mail_guardstate WHERE id = 1 FOR UPDATE SKIP LOCKED"
        )
        if found is None:
            return 0
        start = max(found.counted_until, timezone.now() - DAY)
        bucket = floor_bucket(start)
        end = min(bucket + BUCKET, timezone.now() - LAG)
        if end <= start:
            return 0
        store_counts(bucket, read_rows(start, end))
        execute("UPDATE mail_guardstate SET counted_until = %s WHERE id = 1", [end])
        execute("DELETE FROM mail_guardcount WHERE starts_at < %s", [timezone.now() - DAY - BUCKET])
    return int(end == bucket + BUCKET)


def floor_bucket(time: datetime) -> datetime:
    return time - timedelta(seconds=time.timestamp() % BUCKET.total_seconds())


def read_rows(start: datetime, end: datetime) -> list[RateRow]:
    sent = [EventType.SENT, EventType.DELIVERED, EventType.BOUNCED]
    values = {
        "first": least_id_at(start),
        "end": least_id_at(end),
        "types": [*sent, EventType.COMPLAINED],
        "bounced": EventType.BOUNCED,
        "complained": EventType.COMPLAINED,
        "recipient": About.RECIPIENT,
        "for_good": FOR_GOOD,
        "mx": ProviderKind.MX,
    }
    return fetch_as(RateRow, _COUNT, values)


def store_counts(bucket: datetime, rows: Iterable[RateRow]) -> None:
    sums: dict[tuple[UUID, PauseKind, str], Sums] = defaultdict(Sums)
    for row in rows:
        for kind, value in row.list_scopes():
            one = sums[row.project_id, kind, value]
            one.sent, one.bounced, one.complained = (
                *(one.sent + row.sent, one.bounced + row.bounced, one.complained + row.complained),
            )
            if kind is PauseKind.MAILBOX_PROVIDER and len(one.domains) < MAX_DOMAINS:
                one.domains.add(row.domain)
    if kept := keep_largest(sums):
        text = json.dumps(
            [
                {
                    "project_id": str(project_id),
                    "kind": kind,
                    "value": value,
                    "sent": one.sent,
                    "bounced": one.bounced,
                    "complained": one.complained,
                    "domains": sorted(one.domains),
                }
                for (project_id, kind, value), one in kept.items()
            ]
        )
        execute(_STORE, [bucket, text, MAX_DOMAINS])


def keep_largest(sums: dict[tuple[UUID, PauseKind, str], Sums]) -> dict[tuple[UUID, PauseKind, str], Sums]:
    """Without the many mailbox providers that get little mail: a project may write to 100,000 of them."""
    seen: dict[UUID, int] = defaultdict(int)
    kept = {}
    for (project_id, kind, value), one in sorted(sums.items(), key=lambda item: -item[1].sent):
        if kind is PauseKind.MAILBOX_PROVIDER:
            seen[project_id] += 1
            if seen[project_id] > MAX_PROVIDERS:
                continue
        kept[project_id, kind, value] = one
    return kept
