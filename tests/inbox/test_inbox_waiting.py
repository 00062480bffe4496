"""Waiting requests: `?wait=` and the event stream."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client

from inbox import waiting
from inbox.queries import WAIT_MOST
from inbox.watch import Watch, watch
from tests.inbox.running_listener import Receive, RunningListener

pytestmark = pytest.mark.usefixtures("transactional_db")

MESSAGES = "/inbox/api/messages"
HELLO = "Subject: Hello\r\n\r\nx\r\n"


@pytest.fixture(scope="module", autouse=True)
def _close_watch(django_db_setup: None) -> Iterator[None]:
    """The test database cannot be dropped while the watch's connection is open."""
    yield
    watch.close()


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Threads whose database connections are closed in the end."""
    with ThreadPoolExecutor(12) as pool:
        yield pool
        gate = threading.Barrier(12)

        def close() -> None:
            gate.wait(60)
            connection.close()

        for each in [pool.submit(close) for _ in range(12)]:
            each.result()


# The most that may be asked for: whoever is answered sooner was not held until the end.
LONG = WAIT_MOST


def wait_for(client: Client, to: str, seconds: float) -> tuple[list[dict[str, object]], float]:
    begun = time.perf_counter()
    response = client.get(MESSAGES, {"to": to, "wait": seconds})
    assert response.status_code == 200
    return response.json()["data"], time.perf_counter() - begun


def wait_until_held(count: int) -> None:
    until = time.monotonic() + 60
    while watch._waiters < count:
        assert time.monotonic() < until
        time.sleep(0.005)
    time.sleep(0.05)


def count_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_mail_that_is_there_is_answered_at_once(client: Client, receive: Receive) -> None:
    receive("Subject: x\n\nx\n")
    data, seconds = wait_for(client, "ann@example.test", LONG)
    assert len(data) == 1
    assert seconds < LONG


def test_a_held_request_is_answered_when_its_mail_is_committed(
    client: Client, inbox: RunningListener, elsewhere: ThreadPoolExecutor
) -> None:
    # Without its own second looks, only the ring can end it early.
    with patch.object(waiting, "LOOK_AGAIN", 600), inbox.connect() as smtp:
        held = elsewhere.submit(wait_for, client, "ann@example.test", LONG)
        wait_until_held(1)
        smtp.sendmail("a@example.test", ["bob@example.test"], HELLO)
        assert not held.done()
        smtp.sendmail("a@example.test", ["Ann@example.test"], HELLO)
        data, seconds = held.result(100)
    assert seconds < LONG
    assert [row["rcpt_to"] for row in data] == [["Ann@example.test"]]


def test_a_held_request_ends_empty_after_its_time(client: Client) -> None:
    data, seconds = wait_for(client, "nobody@example.test", 0.4)
    assert data == []
    assert seconds >= 0.4


def test_waiting_without_to_takes_any_mail(client: Client, receive: Receive, elsewhere: ThreadPoolExecutor) -> None:
    held = elsewhere.submit(wait_for, client, "", LONG)
    wait_until_held(1)
    receive("Subject: x\n\nx\n")
    assert len(held.result(100)[0]) == 1


def test_ten_mails_find_the_ten_who_wait_for_them(
    client: Client, receive: Receive, elsewhere: ThreadPoolExecutor
) -> None:
    with patch.object(waiting, "waiting_slots", threading.BoundedSemaphore(10)):
        held = {f"u{n}@example.test": elsewhere.submit(wait_for, client, f"u{n}@example.test", LONG) for n in range(10)}
        wait_until_held(10)
        for address in held:
            receive("Subject: x\n\nx\n", to=(address,))
        for address, each in held.items():
            assert [row["rcpt_to"] for row in each.result(100)[0]] == [[address]]


def test_no_database_connection_is_held_while_waiting(
    client: Client, receive: Receive, elsewhere: ThreadPoolExecutor
) -> None:
    with patch.object(waiting, "waiting_slots", threading.BoundedSemaphore(10)):
        held = [elsewhere.submit(wait_for, client, "ann@example.test", LONG) for _ in range(8)]
        wait_until_held(8)
        # Ours and the watch's; while it waits, a request looks again now and then.
        until = time.monotonic() + 60
        while count_connections() > 2:
            assert time.monotonic() < until
        receive("Subject: x\n\nx\n")
        assert all(each.result(100)[0] for each in held)


def test_mail_is_found_though_the_ring_was_lost(
    client: Client, receive: Receive, elsewhere: ThreadPoolExecutor
) -> None:
    with patch("inbox.services.notify"), patch.object(waiting, "LOOK_AGAIN", 0.2):
        held = elsewhere.submit(wait_for, client, "ann@example.test", 10)
        wait_until_held(1)
        receive("Subject: x\n\nx\n")
        assert len(held.result(100)[0]) == 1


def test_mail_is_found_though_the_watch_lost_its_connection(
    client: Client, receive: Receive, elsewhere: ThreadPoolExecutor
) -> None:
    held = elsewhere.submit(wait_for, client, "ann@example.test", 10)
    wait_until_held(1)
    with connection.cursor() as cursor:
        # Only the watch's: the request may be looking again at this moment.
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN %'"
        )
        assert cursor.fetchall() == [(True,)]
    receive("Subject: x\n\nx\n")
    assert len(held.result(100)[0]) == 1


def test_one_request_too_many_is_rejected_with_its_reason(client: Client, elsewhere: ThreadPoolExecutor) -> None:
    with patch.object(waiting, "waiting_slots", threading.BoundedSemaphore(1)):
        held = elsewhere.submit(wait_for, client, "nobody@example.test", 1)
        wait_until_held(1)
        response = client.get(MESSAGES, {"to": "nobody@example.test", "wait": 5})
        assert (response.status_code, response.json()["code"]) == (429, "too_many_waiting")
        assert response["Retry-After"] == "1"
        assert client.get(MESSAGES, {"to": "nobody@example.test"}).status_code == 200
        held.result(100)
        assert wait_for(client, "nobody@example.test", 0.1)[0] == []


def open_stream(client: Client) -> StreamingHttpResponse:
    response = client.get("/inbox/api/stream")
    assert isinstance(response, StreamingHttpResponse)
    return response


def test_the_stream_reports_new_and_deleted_mail(client: Client, receive: Receive) -> None:
    response = open_stream(client)
    assert response["Content-Type"] == "text/event-stream"
    chunks = iter(response)
    assert b"event: ready" in next(chunks)
    mail = receive("Subject: x\n\nx\n")
    assert b"event: mail" in next(chunks)
    client.delete(f"{MESSAGES}/{mail.pk}")
    assert b"event: mail" in next(chunks)
    response.close()


def test_the_stream_breathes_and_ends_in_bounded_time(client: Client) -> None:
    with patch.object(waiting, "STREAM_SECONDS", 0.5), patch.object(waiting, "BREATH_SECONDS", 0.1):
        chunks = list(open_stream(client))
    assert b"event: ready" in chunks[0]
    assert 1 <= chunks.count(b":\n\n") <= 5


def test_streams_are_few_and_a_closed_one_gives_its_place_back(client: Client) -> None:
    with patch.object(waiting, "streams", threading.BoundedSemaphore(1)):
        for _ in range(3):
            first = open_stream(client)
            refused = client.get("/inbox/api/stream")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
            first.close()
            first.close()


def test_the_watch_ends_without_waiters_and_starts_again() -> None:
    own = Watch()
    for _ in range(2):
        with own.attend():
            assert own._is_listening
        own.close()
        assert own._thread is None
