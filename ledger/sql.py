"""Statements that the ORM cannot express: data-modifying CTEs, unnest, SKIP LOCKED with an inner LIMIT.

Values are sent separately from the statement: psycopg binds them on the server and prepares statements once per
connection. Planning a claim anew each time would cost PostgreSQL as much as running it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from django.db import connection

Params = Sequence[Any] | Mapping[str, Any]


def fetch(sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
    """The rows of a statement. Raises Django's errors, like the ORM."""
    with connection.wrap_database_errors, _cursor() as cursor:
        return cursor.execute(sql, params, prepare=True).fetchall()


def fetch_one(sql: str, params: Params = ()) -> tuple[Any, ...] | None:
    """The single row of a statement, or None."""
    return next(iter(fetch(sql, params)), None)


def execute(sql: str, params: Params = ()) -> int:
    """Run a statement; returns the number of rows that it wrote."""
    with connection.wrap_database_errors, _cursor() as cursor:
        return cursor.execute(sql, params, prepare=True).rowcount


def as_rows(items: Iterable[Mapping[str, Any]]) -> str:
    """Rows as one JSON value, for `jsonb_to_recordset(%s::jsonb) AS v(id uuid, …)`.

    One string is converted much faster than an array per column, each of whose elements is examined.
    """
    return json.dumps(list(items), default=_as_text)


def _as_text(value: object) -> str:
    return f"{value.total_seconds()} seconds" if isinstance(value, timedelta) else str(value)


@contextmanager
def pipelined() -> Iterator[None]:
    """Sends the block's statements together and waits once, at the end: for `execute`, whose count is then unknown.

    An error in any of them is raised at the end and aborts the transaction. Use it within one transaction only.
    """
    assert connection.in_atomic_block, "a pipeline outside of a transaction could apply only some of its statements"
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


@contextmanager
def open_copy(sql: str) -> Iterator["psycopg.Copy"]:
    """A COPY … FROM STDIN to write rows to. Cannot be used in a pipeline."""
    with connection.wrap_database_errors, _cursor() as cursor, cursor.copy(sql) as copy:
        yield copy


def _cursor() -> "psycopg.Cursor[tuple[Any, ...]]":
    """A server-side binding cursor on Django's connection; Django's own cursors bind on the client."""
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection)
