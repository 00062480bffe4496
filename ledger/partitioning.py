"""Turns a table into a partitioned one inside a migration, and keeps its rows: they become its first partition.

No row is copied. The rows that there are become the partition of everything up to the end of this month, with the
indexes that they have; the cost is one scan that proves their range, and an index where a key must change. Migrations
that have been released call this, so its result must not change.
"""

from datetime import date

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from ledger.partitions import MonthlyTable, build_month, build_storage, first_id, next_month

MONTHS_AHEAD = 3
_CONSTRAINTS = """
SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f') ORDER BY contype, conname
"""
# Those that no constraint has made.
_INDEXES = """
SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %s::regclass AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid)
ORDER BY c.relname
"""
_IDENTITIES = (
    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attidentity <> '' AND NOT attisdropped"
)
_SEQUENCES = """
SELECT s.relname, a.attname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refobjid = %s::regclass AND d.deptype = 'a'
"""


def partition_by_month(editor: BaseDatabaseSchemaEditor, table: MonthlyTable) -> None:
    """Partition a table. Its name, columns, indexes and constraints stay, but that a primary key that does not hold
    the partition's key gets it added: PostgreSQL can keep no other key unique over partitions.
    """
    with editor.connection.cursor() as cursor:
        Partitioning(cursor, table).run()


class Partitioning:
    """One run, inside the migration's transaction."""

    def __init__(self, cursor: CursorWrapper, table: MonthlyTable) -> None:
        self._cursor = cursor
        self._table = table
        self._past = f"{table.name}_past"
        cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        self._month: date = cursor.fetchone()[0].replace(day=1)
        self._end = str(first_id(next_month(self._month)))

    def run(self) -> None:
        self._do("LOCK TABLE {parent} IN ACCESS EXCLUSIVE MODE")
        constraints, indexes = self._ask(_CONSTRAINTS), self._ask(_INDEXES)
        identities = [name for (name,) in self._ask(_IDENTITIES)]
        self._do("ALTER TABLE {parent} RENAME TO {past}")
        self._set_names_free(constraints, indexes)
        self._do(
            "CREATE TABLE {parent} (LIKE {past} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)"
            " PARTITION BY RANGE ({key})"
        )
        self._move_sequences(identities)
        self._set_rest_aside()
        self._build_keys(constraints, indexes)
        self._attach_past()
        month = self._month
        self._do("CREATE TABLE {rest} PARTITION OF {parent} DEFAULT")
        for _ in range(MONTHS_AHEAD):
            month = next_month(month)
            for statement in build_month(self._table, month):
                self._cursor.execute(statement)
        self._do("INSERT INTO {parent} SELECT * FROM aside")
        self._do("DROP TABLE aside")
        for name in (self._past, f"{self._table.name}_default"):
            for statement in build_storage(self._table, name):
                self._cursor.execute(statement)

    def _ask(self, query: str) -> list[tuple[str, ...]]:
        self._cursor.execute(query, [self._table.name])
        return list(self._cursor.fetchall())

    def _do(self, text: str, **names: sql.Composable) -> None:
        values = {
            "parent": sql.Identifier(self._table.name),
            "past": sql.Identifier(self._past),
            "rest": sql.Identifier(f"{self._table.name}_default"),
            "key": sql.Identifier(self._table.key),
            "end": sql.Literal(self._end),
        }
        self._cursor.execute(sql.SQL(text).format(**values, **names))

    def _set_names_free(self, constraints: list[tuple[str, ...]], indexes: list[tuple[str, ...]]) -> None:
        """The whole takes the names over, since later migrations look for them there."""
        for name, kind, _ in constraints:
            if kind != "f":
                self._do(
                    "ALTER TABLE {past} RENAME CONSTRAINT {old} TO {new}",
                    old=sql.Identifier(name),
                    new=sql.Identifier(shorten(name)),
                )
        for name, _ in indexes:
            self._do("ALTER INDEX {old} RENAME TO {new}", old=sql.Identifier(name), new=sql.Identifier(shorten(name)))

    def _move_sequences(self, identities: list[str]) -> None:
        """Numbers go on from a sequence of the whole: before PostgreSQL 17 partitions share no identity column."""
        for column in identities:
            self._cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [self._past, column])
            (old,) = self._cursor.fetchone()
            self._cursor.execute(
                sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(*old.split(".")))
            )
            last, is_called = self._cursor.fetchone()
            name = f"{self._table.name}_{column}_seq"
            names = {"column": sql.Identifier(column), "sequence": sql.Identifier(name), "literal": sql.Literal(name)}
            self._do("ALTER TABLE {past} ALTER COLUMN {column} DROP IDENTITY", **names)
            self._do("CREATE SEQUENCE {sequence} OWNED BY {parent}.{column}", **names)
            self._cursor.execute("SELECT setval(%s, %s, %s)", [name, last, is_called])
            self._do("ALTER TABLE {parent} ALTER COLUMN {column} SET DEFAULT nextval({literal}::regclass)", **names)
        self._cursor.execute(_SEQUENCES, [self._past])
        for sequence, column in self._cursor.fetchall():
            names = {"column": sql.Identifier(column), "sequence": sql.Identifier(sequence)}
            self._do("ALTER SEQUENCE {sequence} OWNED BY {parent}.{column}", **names)

    def _set_rest_aside(self) -> None:
        """Ids behind this month are no UUIDv7 of ours, or of a clock that is wrong: few, if any."""
        self._do("CREATE TEMPORARY TABLE aside ON COMMIT DROP AS SELECT * FROM {past} WHERE {key} >= {end}")
        self._do("DELETE FROM {past} WHERE {key} >= {end}")

    def _build_keys(self, constraints: list[tuple[str, ...]], indexes: list[tuple[str, ...]]) -> None:
        """Build the whole's keys and indexes; the attachment finds their equals among those of the past."""
        for name, kind, definition in constraints:
            values = {"name": sql.Identifier(name), "definition": sql.SQL(definition)}
            if kind == "p" and definition != f"PRIMARY KEY ({self._table.key})":
                self._do("ALTER TABLE {past} DROP CONSTRAINT {old}", old=sql.Identifier(shorten(name)))
                values["definition"] = sql.SQL(f"{definition.removesuffix(')')}, {self._table.key})")
            self._do("ALTER TABLE {parent} ADD CONSTRAINT {name} {definition}", **values)
        for name, definition in indexes:
            # CREATE INDEX name ON schema.table_past USING …
            head, _, tail = definition.partition(" ON ")
            tail = tail.partition(" USING ")[2]
            unique = "UNIQUE " if " UNIQUE " in head else ""
            self._do(f"CREATE {unique}INDEX {{name}} ON {{parent}} USING {tail}", name=sql.Identifier(name))

    def _attach_past(self) -> None:
        # With this constraint the attachment needs no second scan.
        self._do("ALTER TABLE {past} ADD CONSTRAINT past_ids CHECK ({key} < {end})")
        self._do("ALTER TABLE {parent} ATTACH PARTITION {past} FOR VALUES FROM (MINVALUE) TO ({end})")
        self._do("ALTER TABLE {past} DROP CONSTRAINT past_ids")


def shorten(name: str) -> str:
    """The name of a past key, within the 63 bytes of PostgreSQL."""
    return f"{name[:58]}_past"
