"""Changes of tables that hold their locks for as short a time as they can."""

import re
from typing import Any

from django.db.backends.postgresql import schema

OF_CONSTRAINTS = re.compile("CONSTRAINT|INDEX|CREATE TABLE|RENAME|DROP")


class SchemaEditor(schema.DatabaseSchemaEditor):
    """Keeps the statements of a migration until it ends, or asks the database for anything; then runs them in order.

    Between two statements Django renders models anew, for tenths of a second and for seconds on a busy machine. A table
    that the first of them has locked would be locked for all that time, and everybody who uses it waits.
    """

    # That of `ledger.database.base`, which imports this module.
    connection: Any
    _kept: list[tuple[str, Any]]

    def __enter__(self) -> "SchemaEditor":
        super().__enter__()
        self._kept = []
        if self.atomic_migration and not self.collect_sql:
            self.connection.keeping_editor = self
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        try:
            if exc_type is None and self._keeps:
                self._end()
        except BaseException as error:
            # Django would leave the transaction open, and nothing could be tried again.
            self.connection.keeping_editor = None
            super().__exit__(type(error), error, error.__traceback__)
            raise
        self.connection.keeping_editor = None
        super().__exit__(exc_type, exc_value, traceback)

    def _end(self) -> None:
        for statement in self.deferred_sql:
            self.execute(statement, None)
        self.deferred_sql.clear()
        self.run_kept()

    @property
    def _keeps(self) -> bool:
        return self.connection.keeping_editor is self

    def execute(self, sql: Any, params: Any = ()) -> None:
        if self._keeps:
            # A statement of names changes with them until it is text.
            self._kept.append((str(sql), params))
        else:
            super().execute(sql, params)

    def _constraint_names(self, model: Any, *args: Any, **options: Any) -> list[str]:
        """The names in the catalogue. Statements stay kept, unless they change the constraints of that table."""
        if any(model._meta.db_table in sql and OF_CONSTRAINTS.search(sql) for sql, _ in self._kept):
            self.run_kept()
        kept, self._kept = self._kept, []
        try:
            return list(super()._constraint_names(model, *args, **options))  # type: ignore[misc]
        finally:
            self._kept = kept

    def run_kept(self) -> None:
        """Run what is kept. The connection calls this before it does anything else."""
        kept, self._kept = self._kept, []
        for sql, params in kept:
            super().execute(sql, params)
