"""The suppression list: the addresses to which a project sends no mail, each with a reason and a time.

Addresses are stored in lower case, because their case does not matter here. Test keys are unknown here: their mail
never suppresses an address, because the modules that record results do not call `suppress` for it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from common.ids import new_id
from tracking.models import Suppression, SuppressionReason

# A weaker reason never replaces a stronger one: after a complaint, a bounce must not change the reason.
STRENGTH: Mapping[str, int] = {
    SuppressionReason.BOUNCE: 0,
    SuppressionReason.MANUAL: 1,
    SuppressionReason.UNSUBSCRIBE: 2,
    SuppressionReason.COMPLAINT: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An address to suppress. `address` has no display name and a domain in A-labels; its case does not matter.

    `message_id` is the message that caused it. `created_at` is set only for imported suppressions.
    """

    address: str
    reason: str
    note: str = ""
    message_id: UUID | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of new addresses, and of those that were on the list before."""

    added: int = 0
    known: int = 0


def find_suppressed(project_id: UUID, addresses: Collection[str]) -> dict[str, str]:
    """The reasons of the suppressed ones among `addresses`, by lower-case address, with one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT address, reason FROM tracking_suppression WHERE project_id = %s AND address = ANY(%s)",
            [project_id, list({address.lower() for address in addresses})],
        )
        return dict(cursor.fetchall())


def find_suppressed_pairs(pairs: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """The suppressed ones among pairs (project, address), in the given spelling, with one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.project_id, v.address FROM unnest(%s::uuid[], %s::text[]) AS v(project_id, address)"
            " JOIN tracking_suppression s ON s.project_id = v.project_id AND s.address = lower(v.address)",
            [[project_id for project_id, _ in pairs], [address for _, address in pairs]],
        )
        return set(cursor.fetchall())


def suppress(project_id: UUID, entry: Entry) -> tuple[Suppression, bool]:
    """Suppress an address. Returns the row and whether it is new; a repetition is harmless."""
    counts = suppress_many(project_id, [entry])
    row = Suppression.objects.get(project_id=project_id, address=entry.address.lower())
    return row, counts.added == 1


def suppress_many(project_id: UUID, entries: Iterable[Entry]) -> Counts:
    """Suppress addresses with one statement, in the caller's transaction if there is one.

    A present row keeps its time, and gets the new reason, note and message if the reason is at least as strong as its
    own. Rows are locked in the order of their addresses, which prevents deadlocks.
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


# `xmax = 0` marks a new row.
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
"""  # noqa: S608  # built from constants


def release_suppression(project_id: UUID, address: str) -> Suppression | None:
    """Remove an address from the list. Returns the removed row, or None if the address was not on the list.

    The row has the time since which mail was suppressed. A resend of that mail belongs in the same transaction.
    """
    with transaction.atomic():
        row = Suppression.objects.select_for_update().filter(project_id=project_id, address=address.lower()).first()
        if row is not None:
            Suppression.objects.filter(pk=row.pk).delete()
    return row
