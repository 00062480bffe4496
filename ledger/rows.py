"""Inserts of models' rows as parts of one statement, without the ORM, whose overhead exceeds the cost of the rows.

A statement of several parts takes one round trip to the server, and is a transaction by itself. Its text depends on the
shapes of the parts only, so that it is composed once and prepared once per connection; the values are sent beside it.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple, Protocol

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from psycopg import sql
from psycopg.types.json import Jsonb

from ledger.sql import fetch_raw


class Shape(Protocol):
    """What the text of a part depends on; hashable."""

    @property
    def size(self) -> int:
        """The number of its values."""

    def write(self, first: int) -> str:
        """The text, whose values begin at `$first`."""


class Part(NamedTuple):
    """A part of a statement, and its values."""

    shape: Shape
    values: Sequence[Any]


class Text(NamedTuple):
    """A part with a fixed text, in which `{0}`, `{1}` … stand for its values."""

    text: str
    size: int = 0

    def write(self, first: int) -> str:
        return self.text.format(*[f"${first + index}" for index in range(self.size)])


class RowsShape(NamedTuple):
    """An INSERT of one row, whose values are sent one by one, or of many, sent as an array for each column.

    `source` is the rest of the FROM clause, which decides whether rows are written. `columns` are the places of the
    model's columns that are written: those without any value get NULL.
    """

    name: str
    model: type[models.Model]
    columns: tuple[int, ...]
    is_single: bool
    source: str

    @property
    def size(self) -> int:
        return len(self.columns)

    def write(self, first: int) -> str:
        table = describe_table(self.model)
        columns = [table.columns[index] for index in self.columns]
        names = ", ".join(column.name for column in columns)
        if self.is_single:
            values = ", ".join(column.write_value(f"${first + index}") for index, column in enumerate(columns))
            rows = f"SELECT {values} FROM {self.source}"  # noqa: S608 - names of columns
        else:
            arrays = ", ".join(f"${first + index}::{column.sent_type}[]" for index, column in enumerate(columns))
            values = ", ".join(column.write_value(f"v.{column.name}") for column in columns)
            rows = f"SELECT {values} FROM unnest({arrays}) AS v({names}), {self.source}"  # noqa: S608 - as above
        return f"{self.name} AS (INSERT INTO {table.name} ({names}) {rows})"


class Column(NamedTuple):
    """The way to write one column of a model."""

    name: str
    attname: str
    type: str
    is_optional: bool
    convert: Callable[[Any], Any] | None
    # The time at which a row becomes due is not later than now by the clock of the database, which decides about it.
    is_due_time: bool

    @property
    def is_array(self) -> bool:
        return self.type.endswith("[]")

    @property
    def sent_type(self) -> str:
        """The type of one value in an array of values: arrays of different lengths are sent in their text form."""
        return "text" if self.is_array else self.type

    def write_value(self, place: str) -> str:
        value = f"{place}::{self.type}"
        return f"CASE WHEN {value} > now() THEN now() ELSE {value} END" if self.is_due_time else value

    def read(self, row: models.Model) -> Any:
        value = row.__dict__[self.attname]
        return value if value is None or self.convert is None else self.convert(value)


class Table:
    """The columns of a model, and its quoted name."""

    def __init__(self, model: type[models.Model]) -> None:
        self.name = sql.Identifier(model._meta.db_table).as_string()
        self.columns = [describe_column(field) for field in model._meta.concrete_fields]


def describe_column(field: "models.Field[Any, Any]") -> Column:
    kind = str(field.rel_db_type(connection) if field.remote_field else field.db_type(connection))
    return Column(
        name=sql.Identifier(str(field.column)).as_string(),
        attname=field.attname,
        # With a length the cast would cut.
        type="varchar" if kind.startswith("varchar") else kind,
        is_optional=field.null and field.db_default is models.NOT_PROVIDED,
        convert=find_conversion(field),
        is_due_time=field.name == "next_attempt_at",
    )


# psycopg writes values of these fields unchanged. A subclass may convert them, for example encrypt them.
PLAIN = frozenset(
    {
        ArrayField,
        models.BinaryField,
        models.BooleanField,
        models.DateTimeField,
        models.ForeignKey,
        models.IntegerField,
        models.OneToOneField,
        models.SmallIntegerField,
        models.UUIDField,
    }
)


def find_conversion(field: "models.Field[Any, Any]") -> Callable[[Any], Any] | None:
    """The converter of an attribute's values; None if they are written unchanged."""
    if type(field) in PLAIN:
        return None
    if type(field) is models.TextField:
        # The members of an enumeration are another type to psycopg.
        return str
    return Jsonb if type(field) is models.JSONField else lambda value: field.get_db_prep_save(value, connection)


@cache
def describe_table(model: type[models.Model]) -> Table:
    return Table(model)


def insert_part(name: str, rows: Sequence[models.Model], source: str) -> Part:
    """The part `name` that inserts new rows of one model, with every column as in the instances, for each row of
    `source`, which has one or none.

    Database defaults and `auto_now` are not applied.
    """
    model = type(rows[0])
    is_single = len(rows) == 1
    columns, values = [], []
    for index, column in enumerate(describe_table(model).columns):
        sent = [column.read(row) for row in rows]
        if column.is_optional and all(value is None for value in sent):
            continue
        columns.append(index)
        if is_single:
            values.append(sent[0])
        else:
            values.append([write_array(value) for value in sent] if column.is_array else sent)
    return Part(RowsShape(name, model, tuple(columns), is_single, source), values)


def write_array(items: Sequence[Any] | None) -> str | None:
    """An array of texts or numbers as PostgreSQL writes it."""
    return None if items is None else "{" + ",".join(map(write_item, items)) + "}"


def write_item(item: Any) -> str:
    return str(item) if isinstance(item, int) else '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'


def mark_stored(rows: Sequence[models.Model]) -> None:
    """Let the ORM know that new instances are rows now."""
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


@lru_cache(maxsize=500)
def write_statement(shapes: tuple[Shape, ...], end: str) -> bytes:
    texts, first = [], 1
    for shape in shapes:
        texts.append(shape.write(first))
        first += shape.size
    return f"WITH {', '.join(texts)} {end}".encode()


def run_parts(parts: Sequence[Part], end: str) -> tuple[Any, ...]:
    """Run the parts as one statement `WITH part, part, … end`; returns its one row."""
    values = [value for part in parts for value in part.values]
    return fetch_raw(write_statement(tuple(part.shape for part in parts), end), values)
