"""The suppression list: who a project does not write to, why, and since when.

Addresses are kept in lower case, for a person's address is theirs in any spelling. Nothing here knows of test keys:
their mail suppresses nobody because whoever records what became of it does not call `suppress` for it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from common.ids import new_id
from tracking.models import Suppression, SuppressionReason

# A reason never gives way to a weaker one: who complained or unsubscribed is not written to because a bounce is over.
STRENGTH: Mapping[str, int] = {
    SuppressionReason.BOUNCE: 0,
    SuppressionReason.MANUAL: 1,
    SuppressionReason.UNSUBSCRIBE: 2,
    SuppressionReason.COMPLAINT: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An address for the list. `address` is bare, its domain in A-labels, its case as it may be.

    `message_id` is what it came of. `created_at` is given only for what was suppressed elsewhere before.
    """

    address: str
    reason: str
    note: str = ""
    message_id: UUID | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many addresses came on the list, and how many were there before."""

    added: int = 0
    known: int = 0


def find_suppressed(project_id: UUID, addresses: Collection[str]) -> dict[str, str]:
    """Those of `addresses` that are suppressed, in lower case, each with its reason: one query for any number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT address, reason FROM tracking_suppression WHERE project_id = %s AND address = ANY(%s)",
            [project_id, list({address.lower() for address in addresses})],
        )
        return dict(cursor.fetchall())


def find_suppressed_pairs(pairs: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those of (project, address) that are suppressed, in the spelling that they were asked with: one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.project_id, v.address FROM unnest(%s::uuid[], %s::text[]) AS v(project_id, address)"
            " JOIN tracking_suppression s ON s.project_id = v.project_id AND s.address = lower(v.address)",
            [[project_id for project_id, _ in pairs], [address for _, address in pairs]],
        )
        return set(cursor.fetchall())


def suppress(project_id: UUID, entry: Entry) -> tuple[Suppression, bool]:
    """Put an address on the list; the row, and whether it is new. Again is harmless."""
    counts = suppress_many(project_id, [entry])
    row = Suppression.objects.get(project_id=project_id, address=entry.address.lower())
    return row, counts.added == 1


def suppress_many(project_id: UUID, entries: Iterable[Entry]) -> Counts:
    """Put addresses on the list with one statement, in the caller's transaction if there is one.

    A row that is there already keeps its time, and takes the new reason, note and message where the reason is no weaker
    than its own. Rows are locked in the order of their addresses, so that two statements never wait for each other.
    """
    unique: dict[str, Entry] = {}
    for entry in entries:
        address = entry.address.lower()
        if address not in unique or STRENGTH[entry.reason] > STRENGTH[unique[address].reason]:
            unique[address] = entry
    if not unique:
        return Counts()
    rows = sorted(unique.items())
    with connection.cursor() as cursor:
        cursor.execute(
            UPSERT,
            {
                "project": project_id,
                "ids": [new_id() for _ in rows],
                "addresses": [address for address, _ in rows],
                "reasons": [str(entry.reason) for _, entry in rows],
                "notes": [entry.note for _, entry in rows],
                "messages": [entry.message_id for _, entry in rows],
                "times": [entry.created_at for _, entry in rows],
                "order": sorted(STRENGTH, key=lambda reason: STRENGTH[reason]),
            },
        )
        added: int = cursor.fetchone()[0]
    return Counts(added=added, known=len(rows) - added)


# `xmax = 0` tells a new row from one that was there.
IS_STRONG = "array_position(%(order)s::text[], EXCLUDED.reason) >= array_position(%(order)s::text[], old.reason)"
UPSERT = f"""
WITH put AS (
    INSERT INTO tracking_suppression AS old (id, project_id, address, reason, note, message_id, created_at)
    SELECT id, %(project)s, address, reason, note, message_id, COALESCE(created_at, statement_timestamp())
    FROM unnest(%(ids)s::uuid[], %(addresses)s::text[], %(reasons)s::text[], %(notes)s::text[], %(messages)s::uuid[],
                %(times)s::timestamptz[]) AS new (id, address, reason, note, message_id, created_at)
    ORDER BY address
    ON CONFLICT (project_id, address) DO UPDATE SET
        reason = CASE WHEN {IS_STRONG} THEN EXCLUDED.reason ELSE old.reason END,
        note = CASE WHEN {IS_STRONG} AND EXCLUDED.note <> '' THEN EXCLUDED.note ELSE old.note END,
        message_id = CASE WHEN {IS_STRONG} THEN COALESCE(EXCLUDED.message_id, old.message_id) ELSE old.message_id END
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM put
"""  # noqa: S608  # put together from constants


def release_suppression(project_id: UUID, address: str) -> Suppression | None:
    """Take an address off the list; what stood there, None where nothing did.

    The row tells since when mail was held back: whoever sends that again does so in the same transaction.
    """
    with transaction.atomic():
        row = Suppression.objects.select_for_update().filter(project_id=project_id, address=address.lower()).first()
        if row is not None:
            Suppression.objects.filter(pk=row.pk).delete()
    return row
