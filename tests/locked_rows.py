"""Rows that somebody else holds: another session of the database that has locked them and does nothing more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, models


@contextmanager
def other_session() -> Iterator["psycopg.Connection[Any]"]:
    """A session of the test's database in a transaction, which is rolled back at the end."""
    params = connection.get_connection_params()
    keys = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{key: params[key] for key in keys if params.get(key)}) as session:
        yield session
        session.rollback()


@contextmanager
def locked_elsewhere(*rows: models.Model) -> Iterator[None]:
    """Keep `rows`, which must be committed, locked by another session."""
    with other_session() as session:
        for row in rows:
            lock_row(session, row)
        yield


def lock_row(session: "psycopg.Connection[Any]", row: models.Model) -> None:
    table = psycopg.sql.Identifier(row._meta.db_table)
    session.execute(psycopg.sql.SQL("SELECT 1 FROM {} WHERE id = %s FOR UPDATE").format(table), [row.pk])
