"""Statements with PostgreSQL's own placeholders, sent without psycopg's cursor.

A cursor looks through the statement and each value in Python, and waits for the socket between its steps. libpq waits
in one call, in which other threads run.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from ledger.database.base import DatabaseWrapper
from ledger.database.encoding import Encoded

# A connection keeps as many statements prepared; there are as many as emails have shapes.
MOST_PREPARED = 100
_numbers = count()
_NOTHING = Encoded((), ())


def fetch_raw(sql: bytes, values: Sequence[Any], encoded: Encoded = _NOTHING) -> tuple[Any, ...]:
    """The first row of a statement whose values are `$1`, `$2` …; PostgreSQL prepares it once for a connection.

    Those that are encoded follow those that psycopg converts. Raises Django's errors, like the ORM.
    """
    wrapper = cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS])
    wrapper.ensure_connection()
    with wrapper.wrap_database_errors:
        line = wrapper.connection
        server: PGconn = line.pgconn
        if not line.autocommit and server.transaction_status == TransactionStatus.IDLE:
            # psycopg begins the transaction with the first statement that it sees.
            psycopg.Cursor(line).execute("")
        adapter = Transformer(line)
        given: Any = [*adapter.dump_sequence(values, [PyFormat.AUTO] * len(values)), *encoded.contents]
        # PostgreSQL finds the type of an encoded value in the statement.
        types, formats = adapter.types or (), [*(adapter.formats or ()), *encoded.formats]
        if wrapper.is_pooled:
            result = server.exec_params(sql, given, [*types, *[0] * len(encoded.contents)], formats)
        else:
            result = server.exec_prepared(_prepare(line, (sql, types)), given, formats)
        _check(server, result, ExecStatus.TUPLES_OK)
        adapter.set_pgresult(result)
        return adapter.load_row(0, tuple)


def _prepare(line: Any, statement: tuple[bytes, tuple[int, ...]]) -> bytes:
    """The name of a prepared statement of these types of values.

    It is kept among psycopg's names: psycopg drops all that are prepared, for example after a ROLLBACK.
    """
    names, server = line._prepared._names, line.pgconn
    name: bytes | None = names.get(statement)
    if name is None:
        if len(names) >= MOST_PREPARED:
            oldest = next(iter(names))
            _check(server, server.exec_(b"DEALLOCATE " + names[oldest]), ExecStatus.COMMAND_OK)
            del names[oldest]
        name = b"raw_%d" % next(_numbers)
        _check(server, server.prepare(name, *statement), ExecStatus.COMMAND_OK)
        names[statement] = name
    return name


def _check(server: PGconn, result: PGresult, wanted: ExecStatus) -> None:
    if result.status == wanted:
        return
    # Errors of the server have a code. libpq's own, of the connection, have none.
    if server.status == ConnStatus.BAD or result.error_field(DiagnosticField.SQLSTATE) is None:
        raise psycopg.OperationalError(result.get_error_message())
    raise error_from_result(result)
