"""The rows of a suppression file, CSV or JSON, as values by the meaning of their columns."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tracking.suppressions.columns import (
    DEFAULT_COLUMNS,
    PLAIN,
    ROLES,
    Layout,
    assign_roles,
    find_layout,
    normalise_name,
)

SEPARATORS = ",;\t|"
# The line that spreadsheets write before the first to name the separator. Quotes and line ends separate nothing.
SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])?"?\s*\Z', re.IGNORECASE)
QUOTED = re.compile(r'"[^"]*"')
JSON_START = re.compile(r'\s*(?:\[\s*(?:[{\]]|\Z)|\{\s*(?:"|\Z))')
MAX_JSON = 64 * 1024 * 1024
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that was not imported, or with `is_taken` a remark on one that was.

    `line` counts from 1, in JSON the entries; for a value over several lines it is the last one.
    """

    line: int
    code: str
    message: str
    is_taken: bool = False


Report = Callable[[BadLine], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A line's values by the meaning of their columns, see `columns.ROLES`."""

    line: int
    values: Mapping[str, str]
    layout: Layout


def read_rows(lines: Iterable[str], report: Report) -> Iterator[ListRow]:
    """Yield the rows of a CSV, of JSON, or of JSON lines; call `report` for what cannot be read."""
    lines = mend_lines(lines, report)
    first = next(lines, "")
    if JSON_START.match(first):
        yield from read_json(first, lines, report)
    else:
        yield from read_csv(first, lines, report)


def mend_lines(lines: Iterable[str], report: Report) -> Iterator[str]:
    """Lines that are not UTF-8 are read as Windows-1252, which spreadsheets of western systems write."""
    is_told = False
    for number, line in enumerate(lines, start=1):
        if number == 1:
            line = line.removeprefix("\ufeff")
        if not line.isascii() and SURROGATE.search(line):
            if not is_told:
                message = "The file is not UTF-8. It was read as Windows-1252 from here on, where a line is not UTF-8."
                report(BadLine(line=number, code="not_utf8", message=message, is_taken=True))
                is_told = True
            line = decode_western(line.encode("utf-8", "surrogateescape"))
        yield line


def decode_western(raw: bytes) -> str:
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_csv(first: str, lines: Iterator[str], report: Report) -> Iterator[ListRow]:
    skipped = 0
    if named := SEPARATOR_LINE.match(first):
        first, skipped = next(lines, ""), 1
    separator = (named and named[1]) or choose_separator(first)
    reader = csv.reader(chain([first], lines), delimiter=separator)
    columns: Sequence[str] | None = None
    layout = PLAIN
    while True:
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if columns is None:
                names = [normalise_name(cell) for cell in cells]
                if "address" in map(ROLES.get, names):
                    columns, layout = names, find_layout(names)
                    continue
                columns = DEFAULT_COLUMNS
            if any(cell.strip() for cell in cells):
                values = assign_roles(zip(columns, (cell.strip() for cell in cells), strict=False))
                yield ListRow(line=reader.line_num + skipped, values=values, layout=layout)
        except csv.Error as error:
            line = reader.line_num + skipped
            report(BadLine(line=line, code="invalid_csv", message=f"Cannot be read: {error}."))


def choose_separator(line: str) -> str:
    """The most frequent separator in the first line, outside of quotes; a comma if it has none."""
    bare = QUOTED.sub("", line)
    return max(SEPARATORS, key=bare.count)


def read_json(first: str, lines: Iterator[str], report: Report) -> Iterator[ListRow]:
    """The entries of a JSON list, of the list in a JSON object, or of JSON lines. JSON is read as a whole."""
    try:
        items = parse_items(first, lines)
    except (ValueError, RecursionError):
        message = "Must be a list of objects, an object with such a list, or one object a line; at most 64 MiB."
        report(BadLine(line=1, code="invalid_json", message=message))
        return
    for number, item in enumerate(items, start=1):
        if isinstance(item, dict):
            cells = list(flatten(item))
            layout = find_layout({name for name, _ in cells})
            yield ListRow(line=number, values=assign_roles(cells), layout=layout)
        else:
            report(BadLine(line=number, code="invalid_json", message="Must be an object."))


def parse_items(first: str, lines: Iterator[str]) -> list[Any]:
    """Raises ValueError or RecursionError."""
    text = [first]
    size = len(first)
    for line in lines:
        text.append(line)
        size += len(line)
        if size > MAX_JSON:
            raise ValueError("too long")
    try:
        whole = json.loads("".join(text))
    except ValueError:
        return [json.loads(line) for line in text if line.strip()]
    if isinstance(whole, list):
        return whole
    # `JSON_START` lets only lists and objects through.
    return next((value for value in whole.values() if isinstance(value, list)), [whole])


def flatten(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """An entry's members as text, under their normalised names. A reason may be an object with code and message."""
    for name, value in item.items():
        match value:
            case {"code": code, **rest}:
                yield normalise_name(name), str(code)
                yield "message", str(rest.get("message", ""))
            case list():
                yield normalise_name(name), ",".join(str(each) for each in value)
            case None | dict():
                continue
            case _:
                yield normalise_name(name), str(value).strip()
