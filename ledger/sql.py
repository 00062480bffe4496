"""Statements that the ORM does not write: data-modifying CTEs, unnest, SKIP LOCKED with a LIMIT inside.

Values travel beside the statement, never in it; psycopg adapts lists, intervals, UUIDs and JSON.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

Params = Sequence[Any] | Mapping[str, Any]


def fetch(sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
    """The rows that a statement returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def fetch_one(sql: str, params: Params = ()) -> tuple[Any, ...] | None:
    """The one row that a statement returns, or None."""
    return next(iter(fetch(sql, params)), None)


def execute(sql: str, params: Params = ()) -> int:
    """Run a statement; returns how many rows it wrote."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)
