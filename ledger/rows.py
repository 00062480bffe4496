"""Inserts of models' rows as parts of one statement, without the ORM, whose overhead exceeds the cost of the rows.

A statement of several parts takes one round trip to the server, and is a transaction by itself. Its text depends on the
shapes of the parts only, so that it is composed once and prepared once per connection; the values are sent beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec
from django.contrib.postgres.fields import ArrayField
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models.base import ModelState
from psycopg import sql

from ledger.database.encoding import ENCODERS, Encoded
from ledger.database.raw import fetch_raw
from ledger.database.text_array import write_texts

M = TypeVar("M", bound=models.Model)


class Shape(Protocol):
    """What the text of a part depends on; hashable."""

    @property
    def size(self) -> int:
        """The number of its values."""

    @property
    def formats(self) -> Sequence[int]:
        """Those of values that are encoded. psycopg converts values without."""

    def write(self, first: int) -> str:
        """The text, whose values begin at `$first`."""


# Up to so many rows of a table each value is sent by itself. Each number of rows is a statement of its own, and from
# three rows on JSON takes Python less time.
FEW_ROWS = 2
# A part of a statement, and its values.
Part: TypeAlias = tuple[Shape, Sequence[Any]]


class Text(NamedTuple):
    """A part with a fixed text, in which `{0}`, `{1}` … stand for its values."""

    text: str
    size: int = 0
    formats: Sequence[int] = ()

    def write(self, first: int) -> str:
        return self.text.format(*[f"${first + index}" for index in range(self.size)])


class RowsShape(NamedTuple):
    """An INSERT of rows of a model, which are sent as one JSON value.

    PostgreSQL converts its members by the types of the columns. An array for each column takes psycopg ten times as
    long, but for the columns of long texts that are sent `apart`. `source` is the rest of the FROM clause, which
    decides whether rows are written.
    """

    name: str
    model: type[models.Model]
    source: str
    apart: tuple[str, ...] = ()
    formats: Sequence[int] = ()

    @property
    def size(self) -> int:
        return 1 + len(self.apart)

    def write(self, first: int) -> str:
        table = describe_table(self.model, self.apart)
        names = table.names
        types = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        sent = f"json_to_recordset(${first}::json) AS {'' if self.apart else 'v'}({types})"
        if self.apart:
            arrays = ", ".join(f"${first + index}::text[]" for index in range(1, self.size))
            sent = f"ROWS FROM ({sent}, unnest({arrays})) AS v({names})"
        return f"{self.name} AS ({table.write_insert(sent, self.source)})"


class ValuesShape:
    """A part with so few rows that each value is one of the statement's, in the text's place ROWS, under the name `v`:
    PostgreSQL parses no JSON then, and calls no function for the rows. `columns` are names and types.

    Make it once: it is compared by identity.
    """

    def __init__(self, text: str, columns: Sequence[tuple[str, str]], count: int) -> None:
        self._text, self._columns = text, columns
        self.formats: Sequence[int] = [ENCODERS[type_].format for _, type_ in columns] * count
        self.size = len(self.formats)

    def write(self, first: int) -> str:
        rows = [
            ", ".join(f"${start + place}::{type_}" for place, (_, type_) in enumerate(self._columns))
            for start in range(first, first + self.size, len(self._columns))
        ]
        names = ", ".join(name for name, _ in self._columns)
        return self._text.replace("ROWS", f"(VALUES ({'), ('.join(rows)})) AS v({names})")


class RowsText:
    """A part's text, in whose place ROWS are rows under the name `v`: as values if they are few, and otherwise as JSON.

    `columns` are names and types, as in a definition of columns.
    """

    def __init__(self, text: str, columns: str) -> None:
        pairs = [(name, type_) for name, _, type_ in (each.partition(" ") for each in columns.split(", "))]
        self._encoders = [(name, ENCODERS[type_].encode) for name, type_ in pairs]
        self._few = [ValuesShape(text, pairs, count) for count in range(1, FEW_ROWS + 1)]
        self._many = Text(text.replace("ROWS", f"json_to_recordset({{0}}::json) AS v({columns})"), 1)

    def build_part(self, rows: Sequence[Mapping[str, Any]]) -> Part:
        """The part for rows that have every column."""
        if not 0 < len(rows) <= FEW_ROWS:
            return self._many, [write_json(rows)]
        values = [(row[name], encode) for row in rows for name, encode in self._encoders]
        return self._few[len(rows) - 1], [None if value is None else encode(value) for value, encode in values]


# One for each text, which is written once.
write_rows = cache(RowsText)


class Column(NamedTuple):
    """The way to write one column of a model."""

    name: str
    key: str
    attname: str
    type: str
    convert: Callable[[Any], Any] | None
    # The time at which a row becomes due is not later than now by the clock of the database, which decides about it.
    is_due_time: bool

    def write_value(self) -> str:
        value = f"v.{self.name}"
        return f"CASE WHEN {value} > now() THEN now() ELSE {value} END" if self.is_due_time else value


class Table:
    """The columns of a model, and its quoted name; `apart` are those of the given names, `columns` all others."""

    def __init__(self, model: type[models.Model], apart: Sequence[str]) -> None:
        self.name = sql.Identifier(model._meta.db_table).as_string()
        described = [describe_column(field) for field in model._meta.concrete_fields]
        self.columns = [column for column in described if column.key not in apart]
        self.apart = [next(column for column in described if column.key == name) for name in apart]
        self._plain = [(column.key, column.attname) for column in self.columns if column.convert is None]
        self._converted = [
            (column.key, column.attname, column.convert) for column in self.columns if column.convert is not None
        ]
        self.names = ", ".join(column.name for column in (*self.columns, *self.apart))
        self.can_encode = all(column.convert is None and column.type in ENCODERS for column in described)
        self._encoders = [(each.attname, ENCODERS[each.type].encode) for each in self.columns if self.can_encode]

    def write_insert(self, sent: str, source: str) -> str:
        """The INSERT of the rows `v` of a FROM clause."""
        values = ", ".join(column.write_value() for column in (*self.columns, *self.apart))
        return f"INSERT INTO {self.name} ({self.names}) SELECT {values} FROM {sent}, {source}"  # noqa: S608 - names

    def encode(self, row: models.Model) -> list[bytes | None]:
        """The values of `columns`, if the table can encode them."""
        values = row.__dict__
        return [None if (value := values[name]) is None else encode(value) for name, encode in self._encoders]

    def read(self, row: models.Model) -> dict[str, Any]:
        """The row as JSON has it; a column without a value is left out."""
        values = row.__dict__
        found = {key: value for key, name in self._plain if (value := values[name]) is not None}
        for key, name, convert in self._converted:
            if values[name] is not None:
                found[key] = convert(values[name])
        return found


def describe_column(field: "models.Field[Any, Any]") -> Column:
    return Column(
        name=sql.Identifier(str(field.column)).as_string(),
        key=str(field.column),
        attname=field.attname,
        type=str(field.rel_db_type(connection) if field.remote_field else field.db_type(connection)),
        convert=find_conversion(field),
        is_due_time=field.name == "next_attempt_at",
    )


# Values of these fields are JSON as they are. A subclass may convert them, for example encrypt them.
PLAIN = frozenset(
    {
        ArrayField,
        models.BooleanField,
        models.DateTimeField,
        models.ForeignKey,
        models.IntegerField,
        models.JSONField,
        models.OneToOneField,
        models.SmallIntegerField,
        models.TextField,
        models.UUIDField,
    }
)


def find_conversion(field: "models.Field[Any, Any]") -> Callable[[Any], Any] | None:
    """The converter of an attribute's values; None if they are JSON as they are."""
    if type(field) in PLAIN:
        return None
    return lambda value: field.get_db_prep_save(value, connection)


@cache
def describe_table(model: type[models.Model], apart: tuple[str, ...] = ()) -> Table:
    return Table(model, apart)


@cache
def describe_defaults(model: type[models.Model]) -> tuple[dict[str, Any], Sequence[tuple[str, Callable[[], Any]]]]:
    """The defaults of a model's columns: those that all rows share, and those that are made for each row."""
    shared, made = {}, []
    for field in model._meta.concrete_fields:
        if field.has_default() and callable(field.default):
            made.append((field.attname, field.default))
        elif field.has_db_default() and not field.has_default():
            made.append((field.attname, field.get_default))
        else:
            shared[field.attname] = field.get_default()
    return shared, made


def new_row(model: type[M], **values: Any) -> M:
    """The instance that `model(**values)` makes, without the ORM's look at each field.

    A column goes by its field's `attname`; names are not checked.
    """
    shared, made = describe_defaults(model)
    row = model.__new__(model)
    columns = row.__dict__
    columns["_state"] = ModelState()
    columns.update(shared)
    for name, make in made:
        if name not in values:
            columns[name] = make()
    columns.update(values)
    return row


def insert_part(name: str, rows: Sequence[models.Model], source: str, apart: tuple[str, ...] = ()) -> Part:
    """The part `name` that inserts new rows of one model, with every column as in the instances, for each row of
    `source`, which has one or none. The columns named by `apart` hold texts, which may be long, and never null.

    Database defaults and `auto_now` are not applied.
    """
    model = type(rows[0])
    table = describe_table(model)
    if len(rows) <= FEW_ROWS and table.can_encode:
        return shape_values(name, model, source, len(rows)), [each for row in rows for each in table.encode(row)]
    table = describe_table(model, apart)
    values: list[Any] = [write_json([table.read(row) for row in rows])]
    values += [write_texts([row.__dict__[column.attname] for row in rows]) for column in table.apart]
    return shape_rows(name, model, source, apart), values


@lru_cache(maxsize=100)
def shape_rows(name: str, model: type[models.Model], source: str, apart: tuple[str, ...]) -> RowsShape:
    return RowsShape(name, model, source, apart)


@lru_cache(maxsize=100)
def shape_values(name: str, model: type[models.Model], source: str, count: int) -> ValuesShape:
    table = describe_table(model)
    columns = [(column.name, column.type) for column in table.columns]
    return ValuesShape(f"{name} AS ({table.write_insert('ROWS', source)})", columns, count)


def write_json(value: object) -> str:
    """JSON for `json_to_recordset`: times, ids and the members of enumerations as text."""
    return msgspec.json.encode(value).decode()


def mark_stored(rows: Sequence[models.Model]) -> None:
    """Let the ORM know that new instances are rows now."""
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


class Statement(NamedTuple):
    """The text, whose encoded values follow all others, their formats, and which parts have them."""

    text: bytes
    formats: Sequence[int]
    are_encoded: Sequence[bool]


@lru_cache(maxsize=500)
def write_statement(shapes: tuple[Shape, ...], end: str) -> Statement:
    are_encoded, texts = [bool(shape.formats) for shape in shapes], []
    first = {False: 1, True: 1 + sum(shape.size for shape in shapes if not shape.formats)}
    for shape, is_encoded in zip(shapes, are_encoded, strict=True):
        texts.append(shape.write(first[is_encoded]))
        first[is_encoded] += shape.size
    formats = [each for shape in shapes for each in shape.formats]
    return Statement(f"WITH {', '.join(texts)} {end}".encode(), formats, are_encoded)


def run_parts(parts: Sequence[Part], end: str) -> tuple[Any, ...]:
    """Run the parts as one statement `WITH part, part, … end`; returns its one row."""
    statement = write_statement(tuple([shape for shape, _ in parts]), end)
    given: list[Any] = []
    contents: list[bytes | None] = []
    for (_, values), is_encoded in zip(parts, statement.are_encoded, strict=True):
        (contents if is_encoded else given).extend(values)
    return fetch_raw(statement.text, given, Encoded(contents, statement.formats))
