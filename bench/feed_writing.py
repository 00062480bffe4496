"""Writers and readers of one project's events, each in a process of its own. Django is set up on import."""

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event as Flag
from typing import Any
from uuid import UUID

import django

django.setup()

from django.db import connection, transaction  # noqa: E402

from accounts.services import create_project  # noqa: E402
from common.ids import new_id  # noqa: E402
from ledger.sql import execute, fetch, fetch_value  # noqa: E402
from tracking.events import Fact, record_facts  # noqa: E402
from tracking.feed.cursor import Cursor  # noqa: E402
from tracking.feed.pages import read_page  # noqa: E402
from tracking.models import EventType  # noqa: E402

BATCH = 20
PAGE = 500
# Share of delayed transactions, their delay, and the share of rolled back ones.
DAWDLES, DAWDLE_SECONDS, TAKES_BACK = 10, 0.02, 20
_BY_SERIAL = "SELECT id, serial FROM tracking_event WHERE project_id = %s AND serial > %s ORDER BY serial LIMIT %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Counts of a reader's events."""

    seen: int
    distinct: int
    pages: int
    ended_at: float

    @property
    def twice(self) -> int:
        return self.seen - self.distinct


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The result of a run."""

    written: int
    seconds: float
    readers: Mapping[str, Reader]
    tail_seconds: float

    @property
    def rate(self) -> float:
        return self.written / self.seconds

    @property
    def pages(self) -> int:
        return self.readers[OURS].pages


def write_events(project_id: UUID, writer: int, count: int) -> None:
    """Commit `count` events in batches."""
    for batch in range(count // BATCH):
        with transaction.atomic():
            # As in a transaction that has written before: its id is older than its events.
            execute("SELECT pg_current_xact_id()")
            if batch % DAWDLES == writer % DAWDLES:
                time.sleep(DAWDLE_SECONDS)
            record_batch(project_id)
        if batch % TAKES_BACK == 0:
            with transaction.atomic():
                record_batch(project_id)
                transaction.set_rollback(True)


def record_batch(project_id: UUID) -> None:
    message = new_id()
    record_facts([Fact(project_id=project_id, message_id=message, type=EventType.SENT) for _ in range(BATCH)])


def read_feed(project_id: UUID, after: Any) -> tuple[list[UUID], Any]:
    page = read_page(project_id, after=after or Cursor(), limit=PAGE)
    return [event.pk for event in page.events], page.next


def read_by_serial(project_id: UUID, after: Any) -> tuple[list[UUID], Any]:
    rows = fetch(_BY_SERIAL, [project_id, after or 0, PAGE])
    return [pk for pk, _ in rows], max((serial for _, serial in rows), default=after)


OURS = "the feed's cursor"
READERS: Mapping[str, Callable[[UUID, Any], tuple[list[UUID], Any]]] = {
    OURS: read_feed,
    "serial number alone": read_by_serial,
}


def read_along(name: str, project_id: UUID, is_over: Flag, results: "Queue[tuple[str, Reader]]") -> None:
    """Page forward until the writers have ended and no event is left."""
    seen: list[UUID] = []
    after, pages = None, 0
    while True:
        was_over = is_over.is_set()
        found, after = READERS[name](project_id, after)
        seen += found
        pages += 1
        if not found:
            if was_over:
                break
            time.sleep(0.005)
    results.put((name, Reader(seen=len(seen), distinct=len(set(seen)), pages=pages, ended_at=time.time())))


def race(count: int, writers: int) -> Figures:
    """Run writers and readers; returns the result."""
    project = create_project(name="bench")
    connection.close()
    fork = multiprocessing.get_context("fork")
    is_over, results = fork.Event(), fork.Queue()
    reading = [fork.Process(target=read_along, args=(name, project.pk, is_over, results)) for name in READERS]
    writing = [
        fork.Process(target=write_events, args=(project.pk, number, count // writers)) for number in range(writers)
    ]
    begun_at = time.time()
    for process in (*reading, *writing):
        process.start()
    for process in writing:
        process.join()
    ended_at = time.time()
    is_over.set()
    readers = dict(results.get(timeout=60) for _ in reading)
    for process in reading:
        process.join()
    written = fetch_value("SELECT count(*) FROM tracking_event WHERE project_id = %s", [project.pk])
    connection.close()
    return Figures(
        written=written,
        seconds=ended_at - begun_at,
        readers=readers,
        tail_seconds=max(readers[OURS].ended_at - ended_at, 0),
    )
