"""Statements that the ORM cannot express: data-modifying CTEs, unnest, SKIP LOCKED with an inner LIMIT.

Values are sent separately from the statement: psycopg binds them on the server. PostgreSQL plans each anew for its
values, but for those that are `Prepared`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from functools import cache
from time import monotonic
from typing import Any, TypeVar, get_type_hints
from uuid import UUID

import psycopg
from django.db import connection
from psycopg.rows import RowFactory, RowMaker, scalar_row, tuple_row

Params = Sequence[Any] | Mapping[str, Any]
Row = TypeVar("Row")


# For how long the plan of a prepared statement is used, and what stands before the number of that time in its text.
PLAN_SECONDS = 10
PLAN_MARK = "\n-- plan "


class Prepared(str):
    """A statement that PostgreSQL parses and plans once for a while: for those that a worker repeats many times a
    second, whose planning takes longer than the rest.

    PostgreSQL keeps a plan only if it expects it to cost no more than the plans for the values that it saw. It looks at
    the length of an array, and may so plan a statement each time that comes with few rows: `write_few` hides that.

    A kept plan does not notice that its tables grow, so that one made for an empty table would be slow for long. The
    plan is made anew after PLAN_SECONDS, for which the text gets a comment: a new text is a new statement. Behind a
    pooler it is not kept.
    """

    __slots__ = ()


def write_few(rows: str) -> str:
    """A part of FROM that gives the rows of `rows` for `%(count)s`, at least their number. PostgreSQL expects a few,
    however many there are: it takes one step along an index for each, and the same plan for any number.
    """
    return f"(SELECT * FROM {rows} LIMIT (SELECT %(count)s::bigint))"  # noqa: S608 - a part of a statement


def fetch(sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
    """The rows of a statement. Raises Django's errors, like the ORM."""
    return _fetch(tuple_row, sql, params)


def fetch_large(sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
    """As `fetch`, for large bytes: in PostgreSQL's binary format they take half the memory and no decoding."""
    with connection.wrap_database_errors, _cursor_of(tuple_row) as cursor:
        return cursor.execute(sql, params, binary=True).fetchall()


def fetch_as(type_: type[Row], sql: str, params: Params = (), **fixed: Any) -> list[Row]:
    """The rows as instances of a dataclass, whose fields are the statement's columns, by name, and `fixed`.

    A field that is annotated with an enum gets its member; ValueError for a value that is none.
    """
    return _fetch(_rows_of(type_, fixed), sql, params)


def fetch_one_as(type_: type[Row], sql: str, params: Params = (), **fixed: Any) -> Row | None:
    """The one row that a statement returns, as `fetch_as` has it, or None."""
    return next(iter(fetch_as(type_, sql, params, **fixed)), None)


def fetch_column(sql: str, params: Params = ()) -> list[Any]:
    """The first column of the rows that a statement returns."""
    return _fetch(scalar_row, sql, params)


def fetch_value(sql: str, params: Params = ()) -> Any:
    """The first column of the one row that a statement returns, or None."""
    return next(iter(fetch_column(sql, params)), None)


def _fetch(factory: RowFactory[Row], sql: str, params: Params) -> list[Row]:
    with connection.wrap_database_errors, _cursor_of(factory) as cursor:
        return _run(cursor, sql, params).fetchall()


def _run(cursor: "psycopg.Cursor[Row]", sql: str, params: Params) -> "psycopg.Cursor[Row]":
    if isinstance(sql, Prepared):
        mark = f"{PLAN_MARK}{monotonic() // PLAN_SECONDS:.0f}"
        _drop_old_plans(cursor.connection, mark)
        return cursor.execute(sql + mark, params, prepare=True)
    return cursor.execute(sql, params)


def _drop_old_plans(line: Any, mark: str) -> None:
    """Have psycopg drop the statements that were prepared for another time: PostgreSQL keeps 100 KB and more for each,
    and psycopg would do it only beyond a hundred.
    """
    if getattr(line, "plan_mark", mark) != mark:
        names = line._prepared._names
        own, end = PLAN_MARK.encode(), mark.encode()
        for key in [key for key in names if own in key[0] and not key[0].endswith(end)]:
            line._prepared._to_flush.append(names.pop(key))
    line.plan_mark = mark


def _rows_of(type_: Callable[..., Row], fixed: Mapping[str, Any]) -> RowFactory[Row]:
    """psycopg's `class_row`, with enums and `fixed` beside, at the cost of a dict a row."""
    enums = _find_enums(type_)

    def factory(cursor: "psycopg.Cursor[Any]") -> RowMaker[Row]:
        # The description would make an object of each column, which takes as long as several rows.
        result = cursor.pgresult
        names = [(result.fname(number) or b"").decode() for number in range(result.nfields)] if result else []

        def make(values: Sequence[Any]) -> Row:
            columns = dict(zip(names, values, strict=True), **fixed)
            for name, enum, members in enums:
                value = columns[name]
                columns[name] = members.get(value) or enum(value)
            return type_(**columns)

        return make

    return factory


@cache
def _find_enums(type_: Callable[..., Any]) -> Sequence[tuple[str, type[Enum], Mapping[Any, Enum]]]:
    """The fields that are annotated with an enum, each with the enum and its members by value."""
    hints = get_type_hints(type_).items()
    enums = [(name, hint) for name, hint in hints if isinstance(hint, type) and issubclass(hint, Enum)]
    return [(name, enum, {member.value: member for member in enum}) for name, enum in enums]


def execute(sql: str, params: Params = ()) -> int:
    """Run a statement; returns the number of rows that it wrote."""
    with connection.wrap_database_errors, _cursor() as cursor:
        return _run(cursor, sql, params).rowcount


def as_rows(items: Iterable[Mapping[str, Any]]) -> str:
    """Rows as one JSON value, for `jsonb_to_recordset(%s::jsonb) AS v(id uuid, …)`.

    One string is converted much faster than an array per column, each of whose elements is examined. Where there are
    many rows, ids are given as text: the encoder in C leaves other types to Python.
    """
    return json.dumps(list(items), default=_as_text)


def as_ids(ids: Iterable[UUID | int]) -> str:
    """Ids as one array value, for `%s::uuid[]` or `%s::bigint[]`. psycopg would examine each element of a list.

    PostgreSQL takes a UUID without hyphens, which is written in half the time.
    """
    return "{" + ",".join([f"{id_.int:032x}" if isinstance(id_, UUID) else str(id_) for id_ in ids]) + "}"


def as_nullable(values: Iterable[UUID | int | None]) -> str:
    """As `as_ids`, with None for NULL."""
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"


def as_texts(texts: Iterable[str]) -> str:
    """Texts as one array value, for `%s::text[]` or `%s::jsonb[]`; see `as_ids`.

    PostgreSQL reads an array of few columns several times as fast as rows in JSON, which have their names with each.
    """
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join([f'"{text}"' for text in quoted]) + "}"


def _as_text(value: object) -> str:
    return f"{value.total_seconds()} seconds" if isinstance(value, timedelta) else str(value)


@contextmanager
def pipelined() -> Iterator[None]:
    """Sends the block's statements together and waits once, at the end: for `execute`, whose count is then unknown, and
    for `send`. A `fetch…` waits for what was sent so far.

    An error in any of them is raised at the end and aborts the transaction. Use it within one transaction only.
    """
    assert connection.in_atomic_block, "a pipeline with a fetch outside of a transaction would be two transactions"
    with committed_together():
        yield


@contextmanager
def committed_together() -> Iterator[None]:
    """As `pipelined`, outside of a transaction: PostgreSQL takes the statements up to the end of the pipeline as one,
    and commits it there, so that the whole takes one round trip. Only for `execute` and `send`.

    Within a transaction it is a part of that.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def send(sql: str, params: Params = ()) -> Callable[[], list[tuple[Any, ...]]]:
    """Send a statement of a pipeline. After the pipeline's end the result gives its rows."""
    with connection.wrap_database_errors:
        cursor = _run(_cursor_of(tuple_row), sql, params)
    return cursor.fetchall


def _cursor() -> "psycopg.Cursor[tuple[Any, ...]]":
    """A server-side binding cursor on Django's connection; Django's own cursors bind on the client."""
    return _cursor_of(tuple_row)


def _cursor_of(factory: RowFactory[Row]) -> "psycopg.Cursor[Row]":
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection, row_factory=factory)
