"""The kinds of data that a purge removes, each by batches of its own. The table `KINDS` is the whole list.

A batch is one short transaction. Tables of lower packages are named here: schema, not code.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.requests import retention as request_log
from ledger.sql import execute, fetch_value
from messages.lifetimes import log_events, message_parts
from webhooks import retention as webhook_log

BATCH = 1_000

# Removes one batch of a project's data that was over before a time; returns the rows, 0 when nothing is left.
Batches = Callable[[UUID, datetime], Iterator[int]]
Count = Callable[[UUID, datetime], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeKind:
    """`remove` yields the number of rows of each batch, which is committed then; `count` only counts."""

    remove: Batches
    count: Count


def of_rows(table: str, condition: str) -> PurgeKind:
    """Rows of a table with an `id`, which go one by one when they are old enough."""
    chosen = f"FROM {table} WHERE {condition}"
    delete = f"DELETE FROM {table} WHERE id IN (SELECT id {chosen} LIMIT {BATCH})"  # noqa: S608 - constants

    def remove(project_id: UUID, before: datetime) -> Iterator[int]:
        while count := execute(delete, {"project": project_id, "before": before}):
            yield count

    def count(project_id: UUID, before: datetime) -> int:
        return int(fetch_value(f"SELECT count(*) {chosen}", {"project": project_id, "before": before}))

    return PurgeKind(remove=remove, count=count)


def of_message_part(part: message_parts.MessagePart) -> PurgeKind:
    return PurgeKind(
        remove=lambda project_id, before: message_parts.remove_part(part, project_id, before),
        count=lambda project_id, before: message_parts.count_part(part, project_id, before),
    )


KINDS: Mapping[str, PurgeKind] = {
    "bodies": of_message_part(message_parts.BODIES),
    "attachments": of_message_part(message_parts.ATTACHMENTS),
    "attempts": of_message_part(message_parts.ATTEMPTS),
    "events": PurgeKind(remove=log_events.remove_events, count=log_events.count_events),
    "messages": of_message_part(message_parts.MESSAGES),
    "webhook_log": PurgeKind(remove=webhook_log.remove_deliveries, count=webhook_log.count_deliveries),
    "audit": of_rows("accounts_auditentry", "project_id = %(project)s AND at < %(before)s"),
    "requests": of_rows("accounts_requestentry", f"project_id = %(project)s AND id < {request_log.FIRST_ID}"),
    # A rollup of a day stays as long as one of its hours.
    "statistics": of_rows(
        "tracking_rollup",
        "project_id = %(project)s AND starts_at < %(before)s"
        " AND NOT (starts_with(dimension, 'day:') AND starts_at >= %(before)s - interval '1 day')",
    ),
    "bounced_suppressions": of_rows(
        "tracking_suppression", "project_id = %(project)s AND reason = 'bounce' AND created_at < %(before)s"
    ),
}
