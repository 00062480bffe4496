"""Counts the statements that are sent to the database; each waits for its answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """The text of every statement within, of the ORM and beside it, transactions included."""
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def note(cursor: "psycopg.Cursor[object]", query: object, *args: object, **kwargs: object) -> object:
        sent.append(query.decode() if isinstance(query, bytes) else str(query))
        return execute(cursor, query, *args, **kwargs)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", note)
        yield sent
