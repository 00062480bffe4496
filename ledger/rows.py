"""Inserts of models' rows as parts of one statement, without the ORM, whose overhead exceeds the cost of the rows.

A statement of several parts takes one round trip to the server, and is a transaction by itself. Its text depends on the
shapes of the parts only, so that it is composed once and prepared once per connection; the values are sent beside it.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec
from django.contrib.postgres.fields import ArrayField
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models.base import ModelState
from psycopg import sql

from ledger.database.raw import fetch_raw
from ledger.database.text_array import write_texts

M = TypeVar("M", bound=models.Model)


class Shape(Protocol):
    """What the text of a part depends on; hashable."""

    @property
    def size(self) -> int:
        """The number of its values."""

    def write(self, first: int) -> str:
        """The text, whose values begin at `$first`."""


# A part of a statement, and its values.
Part: TypeAlias = tuple[Shape, Sequence[Any]]


class Text(NamedTuple):
    """A part with a fixed text, in which `{0}`, `{1}` … stand for its values."""

    text: str
    size: int = 0

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

    @property
    def size(self) -> int:
        return 1 + len(self.apart)

    def write(self, first: int) -> str:
        table = describe_table(self.model, self.apart)
        names = ", ".join(column.name for column in (*table.columns, *table.apart))
        types = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        values = ", ".join(column.write_value() for column in (*table.columns, *table.apart))
        sent = f"json_to_recordset(${first}::json) AS {'' if self.apart else 'v'}({types})"
        if self.apart:
            arrays = ", ".join(f"${first + index}::text[]" for index in range(1, self.size))
            sent = f"ROWS FROM ({sent}, unnest({arrays})) AS v({names})"
        rows = f"SELECT {values} FROM {sent}, {self.source}"  # noqa: S608 - names
        return f"{self.name} AS (INSERT INTO {table.name} ({names}) {rows})"


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
    table = describe_table(model, apart)
    values: list[Any] = [write_json([table.read(row) for row in rows])]
    values += [write_texts([row.__dict__[column.attname] for row in rows]) for column in table.apart]
    return shape_rows(name, model, source, apart), values


@lru_cache(maxsize=100)
def shape_rows(name: str, model: type[models.Model], source: str, apart: tuple[str, ...]) -> RowsShape:
    return RowsShape(name, model, source, apart)


def write_json(value: object) -> str:
    """JSON for `json_to_recordset`: times, ids and the members of enumerations as text."""
    return msgspec.json.encode(value).decode()


def mark_stored(rows: Sequence[models.Model]) -> None:
    """Let the ORM know that new instances are rows now."""
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


@lru_cache(maxsize=500)
def write_statement(shapes: tuple[Shape, ...], end: str) -> bytes:
    texts, first = [], 1
    for shape in shapes:
        texts.append(shape.write(first))
        first += shape.size
    return f"WITH {', '.join(texts)} {end}".encode()


def run_parts(parts: Sequence[Part], end: str) -> tuple[Any, ...]:
    """Run the parts as one statement `WITH part, part, … end`; returns its one row."""
    given = [value for _, values in parts for value in values]
    return fetch_raw(write_statement(tuple([shape for shape, _ in parts]), end), given)
