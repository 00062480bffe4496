"""Multiplies a message by SQL: a million rows in a minute, whatever columns and tables a message has."""

from collections.abc import Mapping

from django.db import connection
from psycopg import sql

# Their rows are facts about what happened, not parts of the message.
LEFT_OUT = ("tracking_event", "mail_attempt")
# Of every table with a column `message_id`; those that are partitions are not looked at.
FIND_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'message_id'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
"""
# A UUIDv7 of the time `at`, whose other digits come from the number `i`.
ID = """(lpad(to_hex(floor(extract(epoch FROM v.at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3)
    || '8' || substr(md5(i::text), 4, 15))::uuid"""
FRESH = f"""
CREATE TEMPORARY TABLE fresh ON COMMIT DROP AS
SELECT i, v.at, {ID} AS id FROM generate_series(%(first)s, %(last)s) i,
    LATERAL (SELECT now() - interval '30 days' + i * interval '10 ms') v(at)
"""
COPY = """
INSERT INTO {table}
SELECT copy.* FROM fresh f, {table} sample, LATERAL jsonb_populate_record(sample.*, {changes}) copy
WHERE sample.{key} = {sample}
"""
# A column that a table does not have is left out. An id of its own has the message's time, as partitions expect it.
OF_MESSAGE = """
jsonb_build_object('message_id', f.id, 'id', left(f.id::text, 24) || right(gen_random_uuid()::text, 12))
"""


def multiply(sample: object, changes: Mapping[str, str], *, first: int, last: int) -> None:
    """Copy a message `last` - `first` + 1 times, with all its rows.

    `changes` has an SQL expression of a jsonb object for each table whose columns differ from the sample's; `f` is the
    row of the copy: its number `i`, its time `at`, its id.
    """
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(FRESH, {"first": first, "last": last})
        cursor.execute(build_copy("mail_message", "id", sample, changes))
        cursor.execute(FIND_TABLES)
        for (table,) in cursor.fetchall():
            if table not in LEFT_OUT:
                cursor.execute(build_copy(table, "message_id", sample, changes))
        cursor.execute("COMMIT")
        cursor.execute("VACUUM ANALYZE")


def build_copy(table: str, key: str, sample: object, changes: Mapping[str, str]) -> sql.Composable:
    own = "jsonb_build_object('id', f.id)" if key == "id" else OF_MESSAGE
    return sql.SQL(COPY).format(
        table=sql.Identifier(table),
        key=sql.Identifier(key),
        sample=sql.Literal(sample),
        changes=sql.SQL(f"{own} || {changes[table]}" if table in changes else own),
    )
