"""Suppression lists as CSV, read and written as a stream: memory does not grow with the file."""

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
from tracking.suppressions.service import STRENGTH, Counts, Entry, suppress_many

BATCH = 2_000
COLUMNS = ("address", "reason", "note", "created_at")
# Other services' exports name the address so.
ADDRESS_NAMES = frozenset({"address", "email", "email_address", "email address", "recipient", "e-mail"})
SEPARATORS = ",;\t"
MAX_NOTE = 1_000


class ImportRefusedError(ApiError):
    """Nothing was imported; wrong lines: {count}."""

    code = "import_refused"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was not imported. `line` counts from 1; a value over several lines is named by its last."""

    line: int
    code: str
    message: str


class LineError(ValueError):
    """What is wrong with a line."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """How a file is read: what an address without a reason gets, and whether one bad line refuses all."""

    reason: str = SuppressionReason.MANUAL
    is_strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of the lines."""

    added: int
    known: int
    refused: int


class Writer(Protocol):
    def write(self, text: str, /) -> object: ...


def import_suppressions(
    project_id: UUID, lines: Iterable[str], plan: ImportPlan, report: Callable[[BadLine], None]
) -> ImportResult:
    """Put the addresses of a CSV on the list; `report` is called for each line that is wrong.

    The first line may name the columns `address` (or `email`), `reason`, `note` and `created_at`, in any order, others
    are ignored; without such a line the address is the first column, then reason and note. Where the plan is strict,
    one wrong line raises `ImportRefusedError` and nothing is stored; else each batch is stored as it comes. To import
    the same file again is harmless.
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
    """The good lines; the others go to `report`."""
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
    """The separator that the first line has most of; a comma where it has none."""
    return max(SEPARATORS, key=line.count)


def build_entry(cells: dict[str, str], plan: ImportPlan) -> Entry:
    """The entry of a line. `LineError` for what is wrong with it."""
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
    """Whether `text` is whole: bytes that are not UTF-8 were read as halves of surrogate pairs."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def export_suppressions(project_id: UUID) -> Iterator[dict[str, object]]:
    """Every row of the list, the oldest first, read in portions."""
    rows = Suppression.objects.filter(project_id=project_id).order_by("id")
    for row in rows.values(*COLUMNS).iterator(chunk_size=BATCH):
        yield {**row, "created_at": format_time(row["created_at"])}


def write_csv(rows: Iterable[dict[str, object]], file: Writer) -> int:
    """Write `rows` with a line of names before them; their number. `import_suppressions` reads it back."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count
