"""Tables that are partitioned by month: months are made ahead, and dropped when nothing in them is kept any more.

A row's month is that of its UUIDv7, so a unique key that holds the UUID stays unique over all months. Rows of a month
without a partition go to the default partition: an insert never fails for want of one. Whoever makes that month later
moves them there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from psycopg import sql

from ledger.sql import fetch, fetch_value

MONTHS_AHEAD = 3
# A partition needs a short exclusive lock on its table. Behind a long query it would hold up everybody, so it gives up
# and tries again with the next tick.
LOCK_TIMEOUT = "1s"
_PARTITIONS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass ORDER BY c.relname
"""
_BOUNDS = re.compile(r"FROM \((?:'(?P<begin>[0-9a-f-]{36})'|MINVALUE)\) TO \('(?P<end>[0-9a-f-]{36})'\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyTable:
    """A partitioned table. `key` is the column with the UUIDv7, `storage` are the settings of each partition.

    `needed` is a condition in SQL on the month's end, `%(end)s`: while it holds, the month is not dropped. It may name
    tables of higher packages: schema, not code.
    """

    name: str
    key: str
    storage: Mapping[str, str] = field(default_factory=dict)
    needed: str = "FALSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition with its bounds: from `begin` (None for everything before) to `end`, which is not in it."""

    name: str
    begin: UUID | None
    end: UUID


def first_id(month: date) -> UUID:
    """The bound of a month: ids of earlier months are below it, its own are not."""
    return UUID(int=int(datetime(month.year, month.month, 1, tzinfo=UTC).timestamp()) * 1000 << 80)


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def list_partitions(table: MonthlyTable) -> Sequence[Partition]:
    """All but the default partition, the oldest first."""
    found = [(name, match) for name, text in fetch(_PARTITIONS, [table.name]) if (match := _BOUNDS.search(text))]
    partitions = [
        Partition(name=name, begin=UUID(match["begin"]) if match["begin"] else None, end=UUID(match["end"]))
        for name, match in found
    ]
    return sorted(partitions, key=lambda partition: partition.end)


def make_months(table: MonthlyTable, *, today: date | None = None, ahead: int = MONTHS_AHEAD) -> list[str]:
    """Make the partitions of this month and of `ahead` more that are missing; returns their names.

    One that cannot get its lock is left for the next time. Without `today` the database's clock decides.
    """
    month = (today or fetch_value("SELECT (now() AT TIME ZONE 'UTC')::date")).replace(day=1)
    made = []
    covered = max((partition.end for partition in list_partitions(table)), default=first_id(date(1970, 1, 1)))
    for _ in range(ahead + 1):
        if first_id(month) >= covered and make_month(table, month):
            made.append(name_month(table, month))
        month = next_month(month)
    return made


def name_month(table: MonthlyTable, month: date) -> str:
    return f"{table.name}_{month:%Y_%m}"


def make_month(table: MonthlyTable, month: date) -> bool:
    """Make one partition, with the rows of its month that the default partition holds. False if a lock was not free."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            for statement in build_month(table, month):
                cursor.execute(statement)
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        return False
    return True


def build_month(table: MonthlyTable, month: date) -> list[sql.Composed]:
    """The statements: a table like the others, the default partition's rows, and the attachment.

    ATTACH PARTITION needs weaker locks on the whole than CREATE TABLE … PARTITION OF.
    """
    names = {
        "parent": sql.Identifier(table.name),
        "rest": sql.Identifier(f"{table.name}_default"),
        "month": sql.Identifier(name_month(table, month)),
        "key": sql.Identifier(table.key),
        "begin": sql.Literal(str(first_id(month))),
        "end": sql.Literal(str(first_id(next_month(month)))),
    }
    statements = [
        "LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE",
        "CREATE TABLE {month} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)",
        "WITH moved AS (DELETE FROM {rest} WHERE {key} >= {begin} AND {key} < {end} RETURNING *)"
        " INSERT INTO {month} SELECT * FROM moved",
        "ALTER TABLE {parent} ATTACH PARTITION {month} FOR VALUES FROM ({begin}) TO ({end})",
    ]
    return [*(sql.SQL(text).format(**names) for text in statements), *build_storage(table, name_month(table, month))]


def build_storage(table: MonthlyTable, partition: str) -> list[sql.Composed]:
    """The settings of a partition; the table itself cannot have any."""
    settings = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.SQL(value)) for name, value in table.storage.items()
    ]
    change = sql.SQL("ALTER TABLE {} SET ({})").format(sql.Identifier(partition), sql.SQL(", ").join(settings))
    return [change] if settings else []


def drop_months(table: MonthlyTable, before: datetime) -> list[str]:
    """Drop the partitions that end before a time, unless something in them is needed; returns their names.

    A month that cannot be dropped keeps all later ones too, so that what is left has no gap. The caller has nothing
    locked: each month is a transaction of its own.
    """
    bound = UUID(int=int(before.timestamp() * 1000) << 80)
    dropped = []
    for partition in list_partitions(table):
        if partition.end > bound or not drop_month(table, partition):
            break
        dropped.append(partition.name)
    return dropped


def drop_month(table: MonthlyTable, partition: Partition) -> bool:
    """Drop one partition. False if something in it is needed, or a lock was not free."""
    name = sql.Identifier(partition.name)
    is_needed = f"SELECT {table.needed.replace('PARTITION', partition.name)}"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Before the lock, so that nobody waits for the look at a month that stays.
            if fetch_value(is_needed, {"end": partition.end}):
                return False
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            cursor.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table.name)))
            if fetch_value(is_needed, {"end": partition.end}):
                return False
            cursor.execute(sql.SQL("DROP TABLE {}").format(name))
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":
            raise
        return False
    return True


def analyze(table: MonthlyTable) -> None:
    """Sample the rows of all partitions for the planner."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table.name)))
