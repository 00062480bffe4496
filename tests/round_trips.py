"""Counts the statements that are sent to the database; each waits for its answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from ledger import rows


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """The text of every statement within, of the ORM and beside it, transactions included."""
    sent: list[str] = []
    execute, send_raw = psycopg.Cursor.execute, rows.fetch_raw

    def note(cursor: "psycopg.Cursor[object]", query: object, *args: object, **kwargs: object) -> object:
        sent.append(query.decode() if isinstance(query, bytes) else str(query))
        return execute(cursor, query, *args, **kwargs)  # type: ignore[arg-type]

    def note_raw(query: bytes, *values: Any) -> object:
        sent.append(query.decode())
        return send_raw(query, *values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", note)
        patch.setattr(rows, "fetch_raw", note_raw)
        yield sent
