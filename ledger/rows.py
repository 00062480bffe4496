"""Inserts rows without the ORM, whose overhead exceeds the cost of the rows themselves.

For 500 messages with their recipients `bulk_create` takes eight times as much client time, and PostgreSQL spends most
of its time on parsing a statement of half a megabyte.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from psycopg import sql
from psycopg.types.json import Jsonb

from ledger.sql import execute, open_copy, pipelined

# COPY waits for the server twice per table. Statements in a pipeline wait once in total, but cost more per row.
FEW = 8


def insert_rows(*tables: Sequence[models.Model]) -> None:
    """Insert new rows, each sequence of one model, with every column as in the instances; in the caller's transaction.

    Database defaults and `auto_now` are not applied.
    """
    filled = [rows for rows in tables if rows]
    if all(len(rows) <= FEW for rows in filled):
        with pipelined():
            for rows in filled:
                _insert(rows)
    else:
        for rows in filled:
            _copy(rows)
    for rows in filled:
        for row in rows:
            row._state.adding, row._state.db = False, connection.alias


def _insert(rows: Sequence[models.Model]) -> None:
    table = describe_table(type(rows[0]))
    for row in rows:
        execute(table.insert, list(table.values(row)))


def _copy(rows: Sequence[models.Model]) -> None:
    table = describe_table(type(rows[0]))
    with open_copy(table.copy) as copy:
        for row in rows:
            copy.write_row(list(table.values(row)))


class Table:
    """The way to write a model's rows: the statements, and a converter for each column."""

    def __init__(self, model: type[models.Model]) -> None:
        fields = model._meta.concrete_fields
        columns = sql.SQL(", ").join([sql.Identifier(str(field.column)) for field in fields])
        named = sql.SQL("{} ({})").format(sql.Identifier(model._meta.db_table), columns)
        places = sql.SQL(", ").join([sql.Placeholder()] * len(fields))
        self.insert = sql.SQL("INSERT INTO {} VALUES ({})").format(named, places).as_string()
        self.copy = sql.SQL("COPY {} FROM STDIN").format(named).as_string()
        self._conversions = [(field.attname, find_conversion(field)) for field in fields]

    def values(self, row: models.Model) -> Iterator[Any]:
        attributes = row.__dict__
        for name, convert in self._conversions:
            value = attributes[name]
            yield value if value is None or convert is None else convert(value)


# psycopg writes values of these fields unchanged. A subclass may convert them, for example encrypt them.
PLAIN = frozenset(
    {
        ArrayField,
        models.BooleanField,
        models.DateTimeField,
        models.ForeignKey,
        models.IntegerField,
        models.OneToOneField,
        models.SmallIntegerField,
        models.TextField,
        models.UUIDField,
    }
)


def find_conversion(field: "models.Field[Any, Any]") -> Callable[[Any], Any] | None:
    """The converter of an attribute's values; None if they are written unchanged."""
    if type(field) in PLAIN:
        return None
    return Jsonb if type(field) is models.JSONField else lambda value: field.get_db_prep_save(value, connection)


@cache
def describe_table(model: type[models.Model]) -> Table:
    return Table(model)
