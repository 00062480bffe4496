"""Import and export of suppressions as files, as streams: memory does not grow with a CSV."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from itertools import islice
from typing import NamedTuple, Protocol
from uuid import UUID

from django.db import transaction

from accounts.streams import StreamTypes
from common.addresses import AddressError, parse_address
from common.errors import ApiError, InvalidFieldsError
from common.suggestions import describe_unknown
from common.text import CONTROL
from common.times import TimeError, format_time
from tracking.models import Suppression, SuppressionReason, SuppressionWay
from tracking.suppressions.columns import NO, NO_REASON, TRANSACTIONAL, WORDS, YES, normalise_name, read_moment
from tracking.suppressions.reach import MAY_NAME_STREAM
from tracking.suppressions.rows import BadLine, ListRow, Report, read_rows
from tracking.suppressions.serializers import MAX_NOTE
from tracking.suppressions.service import Counts, Entry, suppress_many

BATCH = 2_000
# The columns of an export.
COLUMNS = ("address", "reason", "note", "created_at", "stream", "way", "email_id", "ip")
# Looked at in each line of a file; `SuppressionWay.values` makes a new list each time.
WAYS = frozenset(SuppressionWay.values)
# Mailgun's tag for an opt-out from all mail.
EVERYTHING = "*"


class ImportRefusedError(ApiError):
    """Nothing was imported; invalid lines: {count}."""

    code = "import_refused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class LineError(ValueError):
    """The error of an invalid line."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """The options of an import: reason and stream for lines without one, and whether an invalid line rejects the file.

    Without a reason it follows from the columns of other services' files, and is otherwise `manual`. The stream holds
    for opt-outs and manual entries only.
    """

    reason: str | None = None
    stream: str | None = None
    is_strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """The number of added and known entries, and of rejected lines."""

    added: int
    known: int
    refused: int


class Writer(Protocol):
    def write(self, text: str, /) -> object: ...


def import_suppressions(project_id: UUID, lines: Iterable[str], plan: ImportPlan, report: Report) -> ImportResult:
    """Add the addresses of a file to the list, and call `report` for each invalid line and each remark.

    The file is CSV or JSON as `columns` describes it. Without column names, the columns are address, reason, note,
    created_at and stream. In a strict import, one invalid line raises ImportRefusedError and nothing is stored;
    otherwise each batch is stored separately. An import can be repeated safely.
    """
    refused = 0

    def count(bad: BadLine) -> None:
        nonlocal refused
        refused += not bad.is_taken
        report(bad)

    entries = read_entries(project_id, lines, plan, count)
    if not plan.is_strict:
        counts = store_entries(project_id, entries)
    else:
        with transaction.atomic():
            counts = store_entries(project_id, entries)
            if refused:
                raise ImportRefusedError(count=refused)
    return ImportResult(added=counts.added, known=counts.known, refused=refused)


def store_entries(project_id: UUID, entries: Iterator[Entry]) -> Counts:
    added = known = 0
    while batch := list(islice(entries, BATCH)):
        counts = suppress_many(project_id, batch)
        added += counts.added
        known += counts.known
    return Counts(added=added, known=known)


def read_entries(project_id: UUID, lines: Iterable[str], plan: ImportPlan, report: Report) -> Iterator[Entry]:
    """Yield the entries of valid lines, and call `report` for the others."""
    streams = StreamTypes(project_id)
    for row in read_rows(lines, report):
        try:
            yield from build_entries(row, plan, streams)
        except LineError as error:
            report(BadLine(line=row.line, code=error.code, message=error.message))


def build_entries(row: ListRow, plan: ImportPlan, streams: StreamTypes) -> list[Entry]:
    """Build the entries of a line: one, or one for each stream that it names. Raises LineError."""
    values = row.values
    try:
        address = parse_address(values.get("address", "")).address
        created_at = read_moment(values.get("created_at", ""))
    except (AddressError, TimeError) as error:
        raise LineError(error.code, error.message) from None
    reason, note = read_reason(row, plan)
    proof = read_proof(values)
    return [
        Entry(
            address=address,
            reason=reason,
            stream=stream,
            note=clean_note(note),
            message_id=proof.message_id,
            way=proof.way,
            ip=proof.ip,
            created_at=created_at,
        )
        for stream in list_streams(values, reason, plan, streams)
    ]


def read_reason(row: ListRow, plan: ImportPlan) -> tuple[str, str]:
    """The reason and the note of a line. Raises LineError for a line that is no reason to suppress."""
    values, note = row.values, row.values.get("note", "")
    given = values.get("reason", "") or find_type(values)
    word = WORDS.get(normalise_name(given))
    if normalise_name(values.get("expired", "")) in YES:
        raise LineError("expired", "The entry has expired at the other service.")
    if is_unlisted(values):
        raise LineError("not_suppressed", "The address is not on the other service's list.")
    if given and word is None and not row.layout.has_words:
        given, note = "", given
    elif given and word is None:
        message = describe_unknown("The reason is unknown.", given[:100], SuppressionReason.values)
        raise LineError("unknown_reason", message)
    elif word == NO_REASON:
        raise LineError("not_suppressed", f"{given[:100]}: this is no reason to suppress an address.")
    if given == "ManualSuppression" and normalise_name(values.get("origin", "")) == "recipient":
        # Postmark's name for an opt-out.
        word = SuppressionReason.UNSUBSCRIBE
    elif normalise_name(values.get("unsubscribed", "")) in YES or is_only_for_campaigns(values):
        word = SuppressionReason.UNSUBSCRIBE
    reason = (word if given else word or None) or plan.reason or row.layout.reason or SuppressionReason.MANUAL
    if reason == SuppressionReason.BOUNCE and values.get("status", "").startswith("4"):
        raise LineError("not_suppressed", f"{values['status'][:20]}: a temporary failure is no reason to suppress.")
    return reason, note


def find_type(values: Mapping[str, str]) -> str:
    """The kind of a bounce, where a column has it; a column of the same name with other words says nothing."""
    kind = values.get("type", "")
    return kind if normalise_name(kind) in WORDS else ""


def is_unlisted(values: Mapping[str, str]) -> bool:
    """Whether the line says that the other service sends to the address."""
    blocked = normalise_name(values.get("blocklisted", "yes"))
    is_blocked = blocked not in {"", *NO} and (blocked in YES or "email" in blocked)
    return not is_blocked or normalise_name(values.get("active", "")) in NO


def is_only_for_campaigns(values: Mapping[str, str]) -> bool:
    """Whether the line names the channels in which the address is blocked, without that of transactional mail."""
    blocked = normalise_name(values.get("blocklisted", ""))
    return "email" in blocked and TRANSACTIONAL not in blocked


def list_streams(values: Mapping[str, str], reason: str, plan: ImportPlan, streams: StreamTypes) -> list[str | None]:
    """The streams of a line's entries; None for all streams. Raises LineError for one that the project has not."""
    if reason not in MAY_NAME_STREAM:
        return [None]
    named = [name.strip() for name in values.get("stream", "").split(",") if name.strip()]
    if not named or EVERYTHING in named:
        return [plan.stream]
    try:
        for name in named:
            streams.find(name)
    except InvalidFieldsError as error:
        raise LineError(error.errors[0].code, error.errors[0].message) from None
    return list(named)


class Proof(NamedTuple):
    """The parts of an entry's proof beside the time."""

    way: str
    message_id: UUID | None = None
    ip: str | None = None


def read_proof(values: Mapping[str, str]) -> Proof:
    """The proof in our own export; for other files it is the import."""
    way = values.get("way", "")
    if way not in WAYS:
        return Proof(SuppressionWay.IMPORT)
    return Proof(way, read_id(values.get("email_id", "")), read_ip(values.get("ip", "")))


def read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def read_ip(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def clean_note(text: str) -> str:
    """A note of one line that can be stored: an address is kept whatever its note."""
    return CONTROL.sub(" ", text).strip()[:MAX_NOTE]


def export_suppressions(project_id: UUID) -> Iterator[dict[str, object]]:
    """Yield every row of the list, the oldest first, in chunks of bounded memory."""
    rows = Suppression.objects.filter(project_id=project_id, is_test=False).order_by("id")
    for row in rows.iterator(chunk_size=BATCH):
        yield {
            "address": row.address,
            "reason": row.reason,
            "note": row.note,
            "created_at": format_time(row.created_at),
            "stream": row.stream,
            "way": row.way,
            "email_id": row.message_id and str(row.message_id),
            "ip": row.ip,
        }


def write_csv(rows: Iterable[dict[str, object]], file: Writer) -> int:
    """Write a header line and `rows`, and return their number. `import_suppressions` can read the result."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count
