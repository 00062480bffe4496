"""`/api/v1/events/stream`: server-sent events."""

import json
import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from accounts.models import Project
from ledger.shares import ProjectSlots
from tests.feed_settling import settle
from tracking.events import Fact, record_facts
from tracking.feed import stream
from tracking.feed.pages import find_end
from tracking.models import EventType

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests that call every route open streams and never read them to their end.
    monkeypatch.setattr(stream, "slots", ProjectSlots(3, 2))
    # Tests end their streams themselves, when they have seen what they wait for.
    monkeypatch.setattr(stream, "STREAM_SECONDS", 60.0)
    monkeypatch.setattr(stream, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(stream, "BREATH_SECONDS", 0.2)


def write(project: Project, *types: EventType) -> None:
    with transaction.atomic():
        record_facts([Fact(project_id=project.pk, message_id=uuid4(), type=type_) for type_ in types])
    settle()


def write_later(project: Project, *types: EventType) -> threading.Thread:
    def run() -> None:
        # The reader is to find nothing at first; whether it does is all the same to the test.
        time.sleep(0.2)
        try:
            write(project, *types)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def read_events(answer: Any, count: int) -> list[dict[str, str]]:
    """The stream's next events as a browser would take them; then it is closed."""
    events = list(islice(iterate_events(answer), count))
    answer.close()
    return events


def iterate_events(answer: Any) -> Iterator[dict[str, str]]:
    """Events without data are skipped."""
    for chunk in answer.streaming_content:
        for block in chunk.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in fields:
                yield fields


def test_new_events_are_sent_with_their_cursor(api, project):
    write(project, EventType.QUEUED)
    answer = api.get("/events/stream", Accept="text/event-stream")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    thread = write_later(project, EventType.SENT, EventType.DELIVERED)
    events = read_events(answer, 2)
    thread.join()
    assert [event["event"] for event in events] == ["email.sent", "email.delivered"]
    (shown,) = api.get(f"/events?after={events[0]['id']}").json()["data"]
    assert json.loads(events[1]["data"]) == shown


def test_a_browser_that_comes_back_misses_nothing(api, project):
    start = api.get("/events?after=now").json()["next"]
    write(project, EventType.QUEUED, EventType.SENT, EventType.DELIVERED)
    [first] = read_events(api.get(f"/events/stream?after={start}"), 1)
    assert first["event"] == "email.queued"
    rest = read_events(api.get(f"/events/stream?after={start}", Last_Event_ID=first["id"]), 2)
    assert [event["event"] for event in rest] == ["email.sent", "email.delivered"]


def test_types_are_chosen(api, project):
    start = api.get("/events?after=now").json()["next"]
    write(project, EventType.QUEUED, EventType.BOUNCED)
    events = read_events(api.get(f"/events/stream?after={start}&types=email.bounced"), 1)
    assert [event["event"] for event in events] == ["email.bounced"]


def test_a_stream_ends_and_gives_its_place_back(api, project, monkeypatch):
    monkeypatch.setattr(stream, "STREAM_SECONDS", 1.0)
    for _ in range(3):
        answer = api.get("/events/stream")
        chunks = list(answer.streaming_content)
        answer.close()
        assert chunks[0] == b"retry: 1000\n\n"
        # A breath, so that a server notices a reader who has gone.
        assert len(chunks) > 1


def test_a_project_has_so_many_streams_and_others_have_theirs(api, project, other_api):
    mine = [api.get("/events/stream") for _ in range(2)]
    answer = api.get("/events/stream")
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
    assert answer["Retry-After"] == "5"
    theirs = other_api.get("/events/stream")
    assert theirs.status_code == 200
    # The process has its number too.
    assert other_api.get("/events/stream").status_code == 503
    for each in [*mine, theirs]:
        each.close()
    last = api.get("/events/stream")
    assert last.status_code == 200
    last.close()


def test_a_stream_without_news_yields_nothing_to_a_server_that_waits_by_itself(project, monkeypatch):
    monkeypatch.setattr(stream, "POLL_SECONDS", 1000.0)
    answer = stream.open_stream(project.pk, after=find_end(), types=None, is_paced=True)
    assert list(islice(answer.streaming_content, 3)) == [b"retry: 1000\n\n", b"", b""]
    answer.close()


@pytest.mark.parametrize("headers", [{"Last_Event_ID": "x"}, {"Accept": "text/event-stream", "Last_Event_ID": "-"}])
def test_a_wrong_place_is_refused_in_json(api, headers):
    answer = api.get("/events/stream", **headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
