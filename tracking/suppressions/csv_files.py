"""Import and export of suppressions as CSV, as streams: memory does not grow with the file."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol
from uuid import UUID

from django.db import transaction

from common.addresses import AddressError, parse_address
from common.errors import ApiError
from common.times import TimeError, format_time, parse_time
from tracking.models import Suppression, SuppressionReason
from tracking.suppressions.reach import STRENGTH
from tracking.suppressions.serializers import MAX_NOTE
from tracking.suppressions.service import Counts, Entry, suppress_many

BATCH = 2_000
COLUMNS = ("address", "reason", "note", "created_at")
# The names of the address column in exports of other services.
ADDRESS_NAMES = frozenset({"address", "email", "email_address", "email address", "recipient", "e-mail"})
SEPARATORS = ",;\t"


class ImportRefusedError(ApiError):
    """Nothing was imported; invalid lines: {count}."""

    code = "import_refused"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was not imported. `line` counts from 1; for a value over several lines it is the last one."""

    line: int
    code: str
    message: str


class LineError(ValueError):
    """The error of an invalid line."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """The options of an import: the reason for lines without one, and whether one invalid line rejects the file."""

    reason: str = SuppressionReason.MANUAL
    is_strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """The number of added, known and rejected lines."""

    added: int
    known: int
    refused: int


class Writer(Protocol):
    def write(self, text: str, /) -> object: ...


def import_suppressions(
    project_id: UUID, lines: Iterable[str], plan: ImportPlan, report: Callable[[BadLine], None]
) -> ImportResult:
    """Add the addresses of a CSV to the list, and call `report` for each invalid line.

    The first line may name the columns `address` (or `email`), `reason`, `note` and `created_at` in any order; other
    columns are ignored. Without such a line, the columns are address, reason, note and created_at. In a strict import,
    one invalid line raises ImportRefusedError and nothing is stored; otherwise each batch is stored separately. An
    import can be repeated safely.
    """
    refused = 0

    def count(bad: BadLine) -> None:
        nonlocal refused
        refused += 1
        report(bad)

    entries = read_entries(lines, plan, count)
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


def read_entries(lines: Iterable[str], plan: ImportPlan, report: Callable[[BadLine], None]) -> Iterator[Entry]:
    """Yield the entries of valid lines, and call `report` for the others."""
    lines = iter(lines)
    first = next(lines, "").removeprefix("\ufeff")
    reader = csv.reader(chain([first], lines), delimiter=choose_separator(first))
    columns: Sequence[str] | None = None
    while True:
        try:
            row = next(reader, None)
            if row is None:
                return
            if columns is None:
                names = [cell.strip().lower() for cell in row]
                columns = ["address" if name in ADDRESS_NAMES else name for name in names]
                if "address" in columns:
                    continue
                columns = COLUMNS
            if any(cell.strip() for cell in row):
                yield build_entry(dict(zip(columns, (cell.strip() for cell in row), strict=False)), plan)
        except LineError as error:
            report(BadLine(reader.line_num, error.code, error.message))
        except csv.Error as error:
            report(BadLine(reader.line_num, "invalid_csv", f"Cannot be read: {error}."))


def choose_separator(line: str) -> str:
    """The most frequent separator in the first line; a comma if it has none."""
    return max(SEPARATORS, key=line.count)


def build_entry(cells: dict[str, str], plan: ImportPlan) -> Entry:
    """Build the entry of a line. Raises LineError."""
    reason = cells.get("reason", "").lower() or plan.reason
    if reason not in STRENGTH:
        raise LineError("unknown_reason", f"The reason must be one of {', '.join(STRENGTH)}.")
    note = cells.get("note", "")
    if len(note) > MAX_NOTE or "\0" in note or (not note.isascii() and not is_storable(note)):
        raise LineError("invalid_note", f"The note must be text of at most {MAX_NOTE} characters.")
    try:
        address = parse_address(cells.get("address", "")).address
        created_at = parse_time(cells["created_at"]) if cells.get("created_at") else None
    except (AddressError, TimeError) as error:
        raise LineError(error.code, error.message) from None
    return Entry(address=address, reason=reason, note=note, created_at=created_at)


def is_storable(text: str) -> bool:
    """Whether `text` was valid UTF-8: invalid bytes were read as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def export_suppressions(project_id: UUID) -> Iterator[dict[str, object]]:
    """Yield every row of the list, the oldest first, in chunks of bounded memory."""
    rows = Suppression.objects.filter(project_id=project_id).order_by("id")
    for row in rows.values(*COLUMNS).iterator(chunk_size=BATCH):
        yield {**row, "created_at": format_time(row["created_at"])}


def write_csv(rows: Iterable[dict[str, object]], file: Writer) -> int:
    """Write a header line and `rows`, and return their number. `import_suppressions` can read the result."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count
