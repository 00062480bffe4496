"""A month of mail with its events, and writers of more events. Django is set up on import."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402

from accounts.scopes import EMAILS_SEND, STATS_READ  # noqa: E402
from accounts.services import create_api_key, create_project  # noqa: E402
from bench.copying import multiply  # noqa: E402
from bench.listing_rows import accept_sample  # noqa: E402
from common.ids import new_id  # noqa: E402
from ledger.sql import fetch_column  # noqa: E402
from tracking.events import Fact, record_facts  # noqa: E402
from tracking.models import EventType, Rollup  # noqa: E402
from tracking.stats.aggregation import aggregate_all  # noqa: E402

WRITE_SECONDS = 10.0
BATCH = 50
# Spread over thirty days, whatever their number.
CHANGES = {
    "mail_message": """
jsonb_build_object('status', 'delivered', 'tags', ARRAY['kind-' || f.i % 10, 'all'],
    'created_at', now() - interval '30 days' * f.i / {count}, 'queued_at', now() - interval '30 days' * f.i / {count})
""",
    "mail_recipient": "jsonb_build_object('status', 'delivered', 'next_attempt_at', NULL)",
}
EVENTS = """
INSERT INTO tracking_event (id, project_id, message_id, recipient_id, address, type, data, occurred_at)
SELECT (left(m.id::text, 24) || right(gen_random_uuid()::text, 12))::uuid,
    m.project_id, m.id, v.recipient_id, '', v.type, v.data::jsonb, m.created_at + v.wait
FROM mail_message m JOIN mail_recipient r ON r.message_id = m.id, LATERAL (VALUES
    (1, NULL::uuid, 'email.queued', '{}', interval '0 s'),
    (2, r.id, 'email.sent', '{"provider": "relay", "code": 250}', interval '300 ms'),
    (3, r.id, 'email.delivered', '{"source": "report"}', interval '4 s')
) AS v(number, recipient_id, type, data, wait)
ORDER BY m.created_at, v.number
"""
BY_ROWS = """
SELECT date_trunc('day', m.created_at, 'UTC'), t.tag, count(DISTINCT m.id),
    count(*) FILTER (WHERE e.type = 'email.sent'), count(*) FILTER (WHERE e.type = 'email.delivered'),
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY e.occurred_at - m.queued_at)
        FILTER (WHERE e.type = 'email.sent')
FROM mail_message m CROSS JOIN LATERAL unnest(m.tags) AS t(tag) JOIN tracking_event e ON e.message_id = m.id
WHERE m.project_id = %s AND m.created_at >= now() - interval '30 days' GROUP BY 1, 2
"""


class History:
    """A project with a month of mail that is not aggregated yet."""

    def __init__(self, count: int) -> None:
        self.project = create_project(name="bench")
        key, token = create_api_key(self.project, scopes=[STATS_READ, EMAILS_SEND])
        changes = {table: text.replace("{count}", str(count)) for table, text in CHANGES.items()}
        multiply(accept_sample(key, 100), changes, first=1, last=count)
        with connection.cursor() as cursor:
            cursor.execute(EVENTS)
            cursor.execute("VACUUM ANALYZE")
        self.client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}"})

    def fold(self) -> tuple[int, float]:
        begun_at = time.perf_counter()
        return aggregate_all(timedelta(minutes=10)), time.perf_counter() - begun_at

    def rollups(self) -> int:
        return Rollup.objects.count()

    def ask(self) -> None:
        begin = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - 30 * 86_400))
        answer = self.client.get(f"/api/v1/stats?group=tag&from={begin}")
        assert answer.status_code == 200, answer.content

    def count(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(BY_ROWS, [self.project.pk])
            cursor.fetchall()


def record_events(project_id: UUID, *, is_counted: bool) -> float:
    """Events per second that two writers record, with or without the task as beat runs it."""
    is_over = threading.Event()
    counts = [0, 0]
    messages = fetch_column("SELECT id FROM mail_message ORDER BY created_at DESC LIMIT 5000")

    def write(number: int) -> None:
        position = 0
        while not is_over.is_set():
            with transaction.atomic():
                record_facts(
                    [
                        Fact(
                            project_id=project_id,
                            message_id=messages[(position + index) % len(messages)],
                            recipient_id=new_id(),
                            type=EventType.SENT,
                            data={"provider": "relay", "code": 250},
                        )
                        for index in range(BATCH)
                    ]
                )
            position += BATCH
            counts[number] += BATCH
        connection.close()

    connection.close()
    counting = multiprocessing.get_context("fork").Process(target=count_along, daemon=True)
    if is_counted:
        counting.start()
    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    begun_at = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(WRITE_SECONDS)
    seconds = time.perf_counter() - begun_at
    written = sum(counts)
    is_over.set()
    for thread in threads:
        thread.join()
    if is_counted:
        counting.terminate()
        counting.join()
    return written / seconds


def count_along() -> None:
    """As beat and a worker do, in its own process."""
    while True:
        aggregate_all(timedelta(seconds=2))
        time.sleep(5)


def time_call(call: Callable[[], None]) -> float:
    """Milliseconds."""
    begun_at = time.perf_counter()
    call()
    return (time.perf_counter() - begun_at) * 1000


def finish() -> None:
    connection.close()
