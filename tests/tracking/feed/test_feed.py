"""The feed: every event once and in order, even with concurrent writers."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction
from django.db.backends.utils import CursorWrapper

from common.ids import new_id
from ledger.sql import execute
from tests.feed_settling import settle
from tracking.events import Fact, record_facts
from tracking.feed import cursor as positions
from tracking.feed import pages as feed
from tracking.feed.cursor import Cursor, InvalidCursorError, mend_positions
from tracking.feed.pages import FeedPage, find_end, read_page
from tracking.models import Event, EventType, FeedBase

PROJECT = uuid4()
START = Cursor()


def write(count: int = 1, *, project: UUID = PROJECT, type_: EventType = EventType.SENT, **data: object) -> UUID:
    """Some events of one new message, in a transaction of their own."""
    message = new_id()
    with transaction.atomic():
        record_facts(
            [
                Fact(project_id=project, message_id=message, type=type_, data={"number": number, **data})
                for number in range(count)
            ]
        )
    return message


def read(
    after: Cursor = START,
    limit: int = 10,
    *,
    project: UUID = PROJECT,
    types: list[EventType] | None = None,
) -> FeedPage:
    """A page of the feed as it is when nobody is writing any more."""
    settle()
    return read_page(project, after=after, limit=limit, types=types)


def read_all(after: Cursor = START, limit: int = 100) -> list[Event]:
    settle()
    found: list[Event] = []
    while (page := read_page(PROJECT, after=after, limit=limit)).events:
        found += page.events
        after = page.next
    return found


@contextmanager
def other_connection() -> Iterator[CursorWrapper]:
    """Somebody else's open transaction."""
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            yield cursor
        other.commit()
    finally:
        other.close()


@pytest.mark.django_db(transaction=True)
def test_a_page_goes_on_where_the_last_one_ended():
    first, second = write(3), write(2)
    page = read(limit=2)
    assert [event.data["number"] for event in page.events] == [0, 1]
    assert page.has_more
    rest = read(page.next)
    assert [(event.message_id, event.data["number"]) for event in rest.events] == [(first, 2), (second, 0), (second, 1)]
    assert not rest.has_more
    assert read(rest.next).events == []
    third = write()
    assert [event.message_id for event in read(rest.next).events] == [third]


@pytest.mark.django_db(transaction=True)
def test_a_page_has_no_other_projects_events():
    write(project=uuid4())
    assert read_all() == []


@pytest.mark.django_db(transaction=True)
def test_types_are_chosen_and_the_cursor_goes_past_the_others(monkeypatch):
    monkeypatch.setattr(feed, "SCAN_LIMIT", 5)
    write(12, type_=EventType.QUEUED)
    bounced = write(type_=EventType.BOUNCED)
    after, pages, found = START, 0, []
    while True:
        page = read(after, 2, types=[EventType.BOUNCED])
        found += page.events
        after, pages = page.next, pages + 1
        if not page.has_more:
            break
    assert [event.message_id for event in found] == [bounced]
    assert pages == 3
    assert read(after, 2).events == []


@pytest.mark.django_db(transaction=True)
def test_the_end_is_behind_all_that_is_there():
    write(3)
    settle()
    end = find_end()
    message = write()
    assert [event.message_id for event in read(end).events] == [message]


@pytest.mark.django_db(transaction=True)
def test_the_feed_waits_for_running_transactions():
    with other_connection() as other:
        other.execute("SELECT pg_current_xact_id()")
        write()
        page = read_page(PROJECT, after=START, limit=10)
        assert (page.events, page.has_more) == ([], False)
        other.execute(
            "INSERT INTO tracking_event (id, project_id, message_id, address, type, data, occurred_at)"
            " VALUES (%s, %s, %s, '', 'email.sent', '{\"is_late\": true}', now())",
            [uuid4(), PROJECT, uuid4()],
        )
    events = read(page.next).events
    assert sorted(event.data.get("is_late", False) for event in events) == [False, True]


@pytest.mark.django_db(transaction=True)
def test_rolled_back_events_are_never_seen_and_block_no_reader():
    take_back()
    message = write()
    assert [event.message_id for event in read_all()] == [message]


@contextmanager
def other_database() -> Iterator[CursorWrapper]:
    """An open transaction in another database of the cluster."""
    other = connections.create_connection("default")
    other.settings_dict = connections["default"].settings_dict | {"NAME": "postgres"}
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_current_xact_id()")
            yield cursor
            cursor.execute("COMMIT")
    finally:
        other.close()


@pytest.mark.django_db(transaction=True)
def test_a_transaction_of_another_database_does_not_hold_the_feed_back():
    with other_database():
        message = write()
        assert [event.message_id for event in read_all()] == [message]


@pytest.mark.django_db(transaction=True)
def test_what_another_database_begins_while_we_look_hides_nothing_that_is_there(monkeypatch):
    message = write()
    settle()
    fetch_value = positions.fetch_value
    with ExitStack() as others:

        def begin_first(*arguments: Any) -> Any:
            others.enter_context(other_database())
            return fetch_value(*arguments)

        monkeypatch.setattr(positions, "fetch_value", begin_first)
        assert [event.message_id for event in read_page(PROJECT, after=START, limit=10).events] == [message]


@pytest.mark.django_db(transaction=True)
def test_a_messages_events_keep_the_order_of_their_causes():
    """The second writer's transaction is the older one, but it waited for the first one's lock."""
    message = new_id()
    has_begun = threading.Event()

    def write_second() -> None:
        try:
            with transaction.atomic():
                execute("SELECT pg_current_xact_id()")
                has_begun.set()
                execute(LOCK)
                record_facts([Fact(project_id=PROJECT, message_id=message, type=EventType.FAILED)])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            execute(LOCK)
            second = pool.submit(write_second)
            assert has_begun.wait(60)
            record_facts([Fact(project_id=PROJECT, message_id=message, type=EventType.SENT)])
        second.result(60)
    assert [event.type for event in read_all()] == [EventType.SENT, EventType.FAILED]


# Stands for the lock of the message's row; this one takes no transaction id.
LOCK = "SELECT pg_advisory_xact_lock(1)"


WRITERS, BATCHES, BATCH = 8, 125, 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(300)
@pytest.mark.slow("eight writers beside a reader")
def test_a_reader_beside_eight_writers_misses_none_and_sees_none_twice():
    """20,000 events in batches; some transactions dawdle, some are taken back."""
    seen: list[tuple[UUID, int]] = []
    is_writing = threading.Event()
    is_writing.set()

    def write_many(writer: int) -> None:
        try:
            for batch in range(BATCHES):
                with transaction.atomic():
                    execute("SELECT pg_current_xact_id()")
                    if batch % 10 == writer:
                        time.sleep(0.02)
                    write(BATCH, writer=writer, batch=batch)
                    if batch % 25 == 24:
                        time.sleep(0.01)
                if batch % 20 == 0:
                    take_back()
        finally:
            connection.close()

    def read_along() -> None:
        after = START
        try:
            while True:
                was_writing = is_writing.is_set()
                page = read_page(PROJECT, after=after, limit=100)
                seen.extend((event.message_id, event.data["number"]) for event in page.events)
                positions = [(event.position, event.serial) for event in page.events]
                assert positions == sorted(positions)
                assert all((after.position, after.serial) < position for position in positions)
                after = page.next
                if not page.events and not was_writing:
                    return
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reader = pool.submit(read_along)
        writers = [pool.submit(write_many, number) for number in range(WRITERS)]
        for running in writers:
            running.result()
        is_writing.clear()
        reader.result()
    assert len(seen) == WRITERS * BATCHES * BATCH
    assert len(set(seen)) == len(seen)
    assert len(seen) == Event.objects.filter(project_id=PROJECT).count()


def take_back() -> None:
    with transaction.atomic():
        write(3)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_after_a_restore_into_a_cluster_that_counts_from_anew_positions_go_on(project, monkeypatch):
    monkeypatch.setattr("tests.tracking.feed.test_feed.PROJECT", project.pk)
    old = write(project=project.pk)
    settle()
    assert not mend_positions()
    Event.objects.update(position=10**12)
    cursor = Cursor(10**12, Event.objects.get().serial)
    assert read_page(project.pk, after=START, limit=10).events == []
    assert mend_positions()
    assert not mend_positions()
    new = write(project=project.pk)
    assert [event.message_id for event in read(project=project.pk).events] == [old, new]
    assert [event.message_id for event in read(cursor, project=project.pk).events] == [new]
    assert FeedBase.objects.get().base > 0


@pytest.mark.django_db(transaction=True)
def test_an_event_that_the_orm_writes_has_its_place_too():
    event = Event.objects.create(
        project_id=PROJECT, message_id=uuid4(), type=EventType.SENT, occurred_at="2030-01-01T00:00Z"
    )
    message = write()
    assert [each.message_id for each in read_all()] == [event.message_id, message]


def test_a_cursor_reads_back_as_it_was_written():
    for cursor in (START, Cursor(12, 34), Cursor(2**62, 2**63 - 1)):
        assert Cursor.read(cursor.write()) == cursor


@pytest.mark.parametrize(
    "text",
    ["", "x", "AAAA", "A" * 21, "A" * 23, "A" * 22 + "=", "//" * 11, "__________________8_", "é" * 22, "A" * 21 + "B"],
)
def test_an_invalid_cursor_is_rejected(text):
    with pytest.raises(InvalidCursorError):
        Cursor.read(text)
