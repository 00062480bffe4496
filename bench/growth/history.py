"""A year of events, in the partitioned log and in one plain table beside it. Django is set up on import."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from psycopg import sql  # noqa: E402

from ledger.partitioning import partition_by_month  # noqa: E402
from ledger.partitions import (  # noqa: E402
    MonthlyTable,
    drop_month,
    first_id,
    list_partitions,
    make_months,
    next_month,
)
from ledger.sql import execute, fetch, fetch_value  # noqa: E402
from messages.months import EVENTS  # noqa: E402

PARTITIONED, PLAIN = "by month", "one table"
SIDES: Mapping[str, str] = {PARTITIONED: EVENTS.name, PLAIN: "plain_event"}
# As the first release has them: tables of as many rows, to be partitioned.
UPGRADED: Mapping[str, MonthlyTable] = {
    "events": MonthlyTable(name="old_event", key="id"),
    "attempts": MonthlyTable(name="old_attempt", key="recipient_id"),
}
MONTHS = 12
UPGRADED_SHARE = 10
PROJECTS = 20
BATCH = 5_000
# Three events for each message, at times that are spread over a month. Positions rise with the ids.
FILL = """
INSERT INTO {table} (id, project_id, message_id, recipient_id, address, type, data, occurred_at, position)
SELECT (lpad(to_hex(%(begin)s + n * %(step)s), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
        || substr(md5(n::text), 4, 15))::uuid,
    ('00000000-0000-7000-8000-' || lpad(to_hex(n / 3 %% {projects}), 12, '0'))::uuid,
    (lpad(to_hex(%(begin)s + n / 3 * 3 * %(step)s), 12, '0') || '70008' || substr(md5((n / 3)::text), 1, 15))::uuid,
    NULL, 'jo@rcpt.test', (ARRAY['email.queued', 'email.sent', 'email.delivered'])[n %% 3 + 1],
    '{{"provider": "relay", "code": 250, "reply": "250 2.0.0 Ok: queued as 4Xk2Bq1c7Fz"}}',
    to_timestamp((%(begin)s + n * %(step)s) / 1000.0), %(position)s + n
FROM generate_series(0::bigint, %(count)s - 1) n
"""
TIMELINE = "SELECT * FROM {table} WHERE message_id = %s ORDER BY serial"
PAGE = """
SELECT * FROM {table} WHERE project_id = %s AND (position, serial) > (%s, 0) ORDER BY position, serial LIMIT 100
"""
INSERT = """
INSERT INTO {table} (id, project_id, message_id, address, type, data, occurred_at)
SELECT (lpad(to_hex(%s + n), 12, '0') || '70008' || substr(md5(random()::text), 1, 15))::uuid,
    '00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'jo@rcpt.test', 'email.sent', '{{"code": 250}}', now()
FROM generate_series(1, 100) n
"""


@dataclass(frozen=True, kw_only=True)
class History:
    """The rows' project, a message, the last month, and the position in the middle."""

    count: int
    project: UUID
    message: UUID
    last_month: date
    middle: int

    def remove_month(self, side: str) -> float:
        """Milliseconds to drop the oldest whole month, or to delete its rows in batches and vacuum."""
        second = list_partitions(EVENTS)[1]
        begin, end = second.begin, second.end
        return time_call(lambda: drop_month(EVENTS, second) if side == PARTITIONED else delete_rows(begin, end))

    def partition(self, name: str) -> float:
        """Milliseconds of the migration of a table with a tenth of the rows."""
        table = UPGRADED[name]
        build_old(name, table.name, self.count // UPGRADED_SHARE)

        def migrate() -> None:
            with transaction.atomic(), connection.schema_editor() as editor:
                partition_by_month(editor, table)

        return time_call(migrate)


Ask = Callable[[History, str], float]


def ask_timeline(events: History, side: str) -> float:
    return time_call(lambda: fetch(read(TIMELINE, side), [events.message]))


def ask_last_page(events: History, side: str) -> float:
    return time_call(lambda: fetch(read(PAGE, side), [events.project, events.middle * 2 - 3000]))


def ask_middle_page(events: History, side: str) -> float:
    return time_call(lambda: fetch(read(PAGE, side), [events.project, events.middle]))


def ask_insert(events: History, side: str) -> float:
    milliseconds = first_id(events.last_month).int >> 80
    return time_call(lambda: execute(read(INSERT, side), [milliseconds]))


QUESTIONS: Mapping[str, Ask] = {
    "insert 100": ask_insert,
    "timeline of a message": ask_timeline,
    "feed page at the end": ask_last_page,
    "feed page in the middle": ask_middle_page,
}


def read(text: str, side: str) -> str:
    return text.format(table=SIDES[side])


@contextmanager
def history(count: int) -> Iterator[History]:
    """Fill both tables; the connection is closed at the end."""
    months = fill_months(count)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE plain_event (LIKE tracking_event INCLUDING ALL)")
        cursor.execute("INSERT INTO plain_event SELECT * FROM tracking_event")
        cursor.execute("VACUUM ANALYZE plain_event")
        cursor.execute("VACUUM ANALYZE tracking_event")
    project, message, middle = fetch(
        "SELECT project_id, message_id, position FROM tracking_event WHERE position = %s", [count // 2 // 3 * 3]
    )[0]
    try:
        yield History(count=count, project=project, message=message, last_month=months[-1], middle=middle)
    finally:
        connection.close()


def fill_months(count: int) -> list[date]:
    month = next_month(fetch_value("SELECT now()::date").replace(day=1))
    make_months(EVENTS, ahead=MONTHS)
    months = []
    each = count // MONTHS // 3 * 3
    for number in range(MONTHS):
        begin, end = (first_id(day).int >> 80 for day in (month, next_month(month)))
        values = {"begin": begin, "step": (end - begin) // each, "count": each, "position": each * number}
        with connection.cursor() as cursor:
            cursor.execute(FILL.format(table=EVENTS.name, projects=PROJECTS), values)
        months.append(month)
        month = next_month(month)
    return months


def delete_rows(begin: UUID | None, end: UUID) -> None:
    delete = (
        "DELETE FROM plain_event WHERE id IN"
        " (SELECT id FROM plain_event WHERE id >= %s AND id < %s ORDER BY id LIMIT %s)"
    )
    while execute(delete, [begin, end, BATCH]):
        continue
    with connection.cursor() as cursor:
        cursor.execute("VACUUM plain_event")


# Ids of this month and before, as an installation has them.
OLD_ROWS = {
    "events": """
CREATE TABLE old_event (LIKE tracking_event INCLUDING ALL);
INSERT INTO old_event (id, project_id, message_id, recipient_id, address, type, data, occurred_at, position)
SELECT {id}, project_id, message_id, recipient_id, address, type, data, occurred_at, position
FROM (SELECT e.*, n FROM generate_series(1::bigint, {count}) n, (SELECT * FROM plain_event LIMIT 1) e) p
""",
    "attempts": """
CREATE TABLE old_attempt (LIKE mail_attempt INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);
ALTER TABLE old_attempt DROP CONSTRAINT old_attempt_pkey, ADD PRIMARY KEY (id);
INSERT INTO old_attempt (recipient_id, number, lease_token, phase, claimed_at, provider_name, outcome, enhanced_code,
    reply, remote_host, tls)
SELECT {id}, 1, gen_random_uuid(), 'done', now(), 'relay', 'accepted', '2.0.0', '250 2.0.0 Ok: queued', 'relay.test', ''
FROM generate_series(1::bigint, {count}) n
""",
}
PAST_ID = """(lpad(to_hex(1700000000000 + n), 12, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid"""


def build_old(name: str, table: str, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(OLD_ROWS[name].format(id=PAST_ID, count=count))
        cursor.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))


def time_call(call: Callable[[], object]) -> float:
    """Milliseconds."""
    begun_at = time.perf_counter()
    call()
    return (time.perf_counter() - begun_at) * 1000
