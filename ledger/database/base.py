"""Django's back end for PostgreSQL, which also keeps the time limits of the present kind of work.

On a connection of our own the limits are settings of the session. Behind a pooler that lends a server's session for one
transaction (PgBouncer's mode `transaction`) a setting of the session would stay with other clients: there each
transaction sets its limits itself (SET LOCAL), and statements outside of transactions have those of the role.
"""

import select
from typing import Any

from django.db.backends.postgresql import base

from ledger.database.schema import SchemaEditor
from ledger.database.text_array import TextArray, TextArrayDumper
from ledger.limits import TimeLimits, WorkKind, find_kind, find_limits

_NAMES = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
_SESSION = " || ".join(f"set_config('{name}', %s, false)" for name in _NAMES)
_LOCAL = ", ".join(f"set_config('{name}', %s, true)" for name in _NAMES)
# psycopg prepares the statements that ask for it, and others after so many executions: never.
PREPARED_BY_WISH = 1_000_000_000
# A pooler tells its clients another process than the one that answers.
_SET_IF_DIRECT = f"SELECT CASE WHEN pg_backend_pid() = %s THEN {_SESSION} END"
_SET_LOCAL = f"SELECT {_LOCAL}"


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection with the limits of `ledger.limits`. They change between transactions, at most one query each."""

    _applied: TimeLimits | None = None
    _is_pooled = False
    # That of a migration in a transaction, while it runs.
    keeping_editor: SchemaEditor | None = None
    SchemaEditorClass = SchemaEditor
    # See `ledger.clock`.
    clock_offset: float | None = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._applied, self._is_pooled, self.clock_offset = None, False, None
        made = super().get_new_connection(conn_params)
        made.adapters.register_dumper(TextArray, TextArrayDumper)
        return made

    def get_autocommit(self) -> bool:
        """Whether each statement is a transaction. An open connection knows it without a look at its limits."""
        if self.connection is None:
            self.ensure_connection()
        return bool(self.autocommit)

    def ensure_connection(self) -> None:
        if self.connection is None:
            super().ensure_connection()
        if self.keeping_editor:
            self.keeping_editor.run_kept()
        if self.in_atomic_block or self._is_pooled or not self.connection.autocommit:
            return
        limits = find_limits()
        if limits != self._applied:
            values = [self.connection.info.backend_pid, *limits.in_milliseconds()]
            self._is_pooled = self._ask(_SET_IF_DIRECT, values) is None
            self._applied = limits
            # Django switches preparing off. A pooler may give the next transaction to a server that has not prepared.
            self.connection.prepare_threshold = None if self._is_pooled else PREPARED_BY_WISH

    def set_autocommit(self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False) -> None:
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        if self._is_pooled and not autocommit:
            self._ask(_SET_LOCAL, find_limits().in_milliseconds())

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler lends a server's session for one transaction; known once a statement was sent."""
        return self._is_pooled

    def is_usable(self) -> bool:
        """Whether an idle connection still works. In web requests its socket tells, without a query.

        An idle server sends nothing: what can be read is its farewell, or the end of the stream. A server that vanished
        without a word is noticed by the next statement, whose request is answered 503.
        """
        if self.connection is None:
            return False
        if find_kind() is WorkKind.WEB and not self.connection.closed:
            poll = select.poll()
            poll.register(self.connection.fileno(), select.POLLIN)
            if not poll.poll(0):
                return True
        return bool(super().is_usable())

    def _ask(self, sql: str, values: Any) -> Any:
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            return cursor.execute(sql, values).fetchone()[0]
