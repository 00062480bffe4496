"""The suppression list: the addresses to which a project sends no mail, or no mail of some kind, with the reasons.

Addresses are stored in lower case, because their case does not matter here. Test keys have a list of their own
(`is_test`), which stops test mail only. What happens to test mail adds nothing to it: the modules that record results
do not call `suppress` for it. Which mail an entry stops is decided in `tracking.suppressions.reach`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from common.ids import new_id
from delivery.records import record
from ledger.sql import Prepared, as_ids, as_texts, fetch
from tracking.message_tables import MESSAGES
from tracking.models import Suppression, SuppressionWay
from tracking.suppressions.erased import join_by_address, list_stored_forms, map_stored_forms
from tracking.suppressions.reach import STOPS, Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An address to suppress. `address` has no display name and a domain in A-labels; its case does not matter.

    `stream` is the only stream for which it holds (None: all); only an opt-out and a manual entry may have one.
    `message_id` is the message that caused it, `way` and `ip` are the rest of its proof. `created_at` is set only for
    imported suppressions.
    """

    address: str
    reason: str
    stream: str | None = None
    note: str = ""
    message_id: UUID | None = None
    way: str = SuppressionWay.FEEDBACK
    ip: str | None = None
    created_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes an entry the same; it also gives the order in which rows are locked."""
        return self.address.lower(), self.reason, self.stream or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of new entries, and of those that were on the list before."""

    added: int = 0
    known: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The entries of an address that a release removes: all, or those of a reason, of a stream, or of all streams."""

    reason: str | None = None
    # `is_for_all` selects entries that hold for all streams.
    stream: str | None = None
    is_for_all: bool = False

    def condition(self) -> Q:
        selected = Q(reason=self.reason) if self.reason is not None else Q()
        if self.is_for_all:
            return selected & Q(stream=None)
        return selected & Q(stream=self.stream) if self.stream is not None else selected


EVERYTHING = Selection()


def select_entry(row: Suppression) -> Selection:
    """The selection of exactly this entry of its address."""
    return Selection(reason=row.reason, stream=row.stream, is_for_all=row.stream is None)


def find_suppressed(
    project_id: UUID, addresses: Collection[str], *, is_test: bool = False
) -> Mapping[str, Sequence[Cause]]:
    """The entries of the suppressed ones among `addresses`, erased ones too, by lower-case address, with one query.

    `reach.MailKind.find_stop` tells which of them stops a message.
    """
    found: dict[str, list[Cause]] = defaultdict(list)
    forms = map_stored_forms(project_id, addresses)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT address, reason, stream FROM tracking_suppression"
            " WHERE project_id = %s AND address = ANY(%s) AND is_test = %s",
            [project_id, list(forms), is_test],
        )
        for address, reason, stream in cursor.fetchall():
            found[address].append(Cause(reason, stream))
    return join_by_address(found, forms)


@record(frozen=True, slots=True, kw_only=True)
class ClaimedMail:
    """A recipient that is about to be sent to."""

    recipient_id: UUID
    message_id: UUID
    project_id: UUID
    address: str


# The message is read only for addresses that are on the list at all: the condition on `s` keeps the planner from
# reading it first, and OFFSET 0 from making the sub-query a join.
_STOPPED = Prepared(
    f"""
SELECT v.recipient_id, s.reason, s.stream
FROM unnest(%(recipients)s::uuid[], %(messages)s::uuid[], %(projects)s::uuid[], %(addresses)s::text[])
    AS v(recipient_id, message_id, project_id, address)
JOIN tracking_suppression s ON s.project_id = v.project_id AND s.address = v.address
CROSS JOIN LATERAL (SELECT FROM {MESSAGES} m WHERE m.id = v.message_id AND {STOPS} OFFSET 0) AS stopped
"""  # noqa: S608  # built from constants
)


def find_stopped(mail: Collection[ClaimedMail]) -> Mapping[UUID, Cause]:
    """The strongest entry that stops each of `mail`, by recipient id, with one query; those that go out are absent."""
    asked = [(one, form) for one in mail for form in list_stored_forms(one.project_id, one.address)]
    values = {
        "recipients": as_ids(one.recipient_id for one, _ in asked),
        "messages": as_ids(one.message_id for one, _ in asked),
        "projects": as_ids(one.project_id for one, _ in asked),
        "addresses": as_texts(form for _, form in asked),
    }
    causes: dict[UUID, Cause] = {}
    for recipient_id, reason, stream in fetch(_STOPPED, values):
        cause = Cause(reason, stream)
        causes[recipient_id] = max(cause, causes.get(recipient_id, cause), key=lambda one: one.strength)
    return causes


def suppress(project_id: UUID, entry: Entry, *, is_test: bool = False) -> tuple[Suppression, bool]:
    """Suppress an address. Returns the row and whether it is new; a repetition is harmless."""
    counts = suppress_many(project_id, [entry], is_test=is_test)
    row = Suppression.objects.get(
        project_id=project_id,
        address=entry.address.lower(),
        reason=entry.reason,
        stream=entry.stream,
        is_test=is_test,
    )
    return row, counts.added == 1


def suppress_many(project_id: UUID, entries: Iterable[Entry], *, is_test: bool = False) -> Counts:
    """Suppress addresses with one statement, in the caller's transaction if there is one.

    A present entry of the same address, reason and stream keeps its time and its proof, and gets a new note if there is
    one. No entry replaces another. Rows are locked in the order of their keys, which prevents deadlocks.
    """
    unique: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        unique.setdefault(entry.key, entry)
    if not unique:
        return Counts()
    rows = [entry for _, entry in sorted(unique.items(), key=lambda item: item[0])]
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT,
            {
                "project": project_id,
                "test": is_test,
                "ids": [new_id() for _ in rows],
                "addresses": [entry.address.lower() for entry in rows],
                "reasons": [str(entry.reason) for entry in rows],
                "streams": [entry.stream for entry in rows],
                "notes": [entry.note for entry in rows],
                "messages": [entry.message_id for entry in rows],
                "ways": [str(entry.way) for entry in rows],
                "ips": [entry.ip for entry in rows],
                "times": [entry.created_at for entry in rows],
            },
        )
        added: int = cursor.fetchone()[0]
    return Counts(added=added, known=len(rows) - added)


# `xmax = 0` marks a new row.
_UPSERT = """
WITH put AS (
    INSERT INTO tracking_suppression AS old
        (id, project_id, is_test, address, reason, stream, note, message_id, way, ip, created_at)
    SELECT id, %(project)s, %(test)s, address, reason, stream, note, message_id, way, ip,
           COALESCE(created_at, statement_timestamp())
    FROM unnest(%(ids)s::uuid[], %(addresses)s::text[], %(reasons)s::text[], %(streams)s::text[], %(notes)s::text[],
                %(messages)s::uuid[], %(ways)s::text[], %(ips)s::inet[], %(times)s::timestamptz[])
        WITH ORDINALITY AS new (id, address, reason, stream, note, message_id, way, ip, created_at, place)
    ORDER BY place
    ON CONFLICT (project_id, address, reason, stream, is_test) DO UPDATE SET
        note = CASE WHEN EXCLUDED.note <> '' THEN EXCLUDED.note ELSE old.note END
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM put
"""


def release_suppressions(
    project_id: UUID, address: str, selection: Selection = EVERYTHING, *, is_test: bool = False
) -> list[Suppression]:
    """Remove the selected entries of an address. Returns them, the strongest first; none if it has no such entry.

    The rows have the times since which mail was suppressed. A resend of that mail belongs in the same transaction.
    """
    with transaction.atomic():
        found = Suppression.objects.filter(
            selection.condition(),
            project_id=project_id,
            address__in=list_stored_forms(project_id, address),
            is_test=is_test,
        )
        rows = sort_by_strength(found.select_for_update().order_by("id"))
        Suppression.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return rows


def sort_by_strength(rows: Iterable[Suppression]) -> list[Suppression]:
    """Entries, the strongest first: by reach, then by reason; of equal ones the oldest."""
    ordered = sorted(rows, key=lambda row: row.pk)
    return sorted(ordered, key=lambda row: Cause(row.reason, row.stream).strength, reverse=True)
