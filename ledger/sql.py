"""Statements that the ORM does not write: data-modifying CTEs, unnest, SKIP LOCKED with a LIMIT inside.

Values travel beside the statement, never in it: psycopg's server-side binding, with statements prepared once per
connection. Planning a claim or a record anew each time costs PostgreSQL as much as running it.
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
    """The rows that a statement returns. Errors are Django's, as from the ORM."""
    with connection.wrap_database_errors, _cursor() as cursor:
        return cursor.execute(sql, params, prepare=True).fetchall()


def fetch_one(sql: str, params: Params = ()) -> tuple[Any, ...] | None:
    """The one row that a statement returns, or None."""
    return next(iter(fetch(sql, params)), None)


def execute(sql: str, params: Params = ()) -> int:
    """Run a statement; returns how many rows it wrote."""
    with connection.wrap_database_errors, _cursor() as cursor:
        return cursor.execute(sql, params, prepare=True).rowcount


def as_rows(items: Iterable[Mapping[str, Any]]) -> str:
    """Rows as one JSON value, for `jsonb_to_recordset(%s::jsonb) AS v(id uuid, …)`.

    One string is adapted a good deal faster than an array for each column, whose every element is looked at.
    """
    return json.dumps(list(items), default=_as_text)


def _as_text(value: object) -> str:
    return f"{value.total_seconds()} seconds" if isinstance(value, timedelta) else str(value)


@contextmanager
def pipelined() -> Iterator[None]:
    """Statements within are sent together and waited for once, at the end: for `execute`, whose count is then unknown.

    An error of any of them is raised at the end, and the transaction is over. Within one transaction only.
    """
    assert connection.in_atomic_block, "in a pipeline without a transaction some statements might stay, others not"
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


@contextmanager
def open_copy(sql: str) -> Iterator["psycopg.Copy"]:
    """A COPY … FROM STDIN to write rows to. Not within a pipeline."""
    with connection.wrap_database_errors, _cursor() as cursor, cursor.copy(sql) as copy:
        yield copy


def _cursor() -> "psycopg.Cursor[tuple[Any, ...]]":
    """A server-side binding cursor on Django's connection; its own bind on the client."""
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection)
