"""The live feed: server-sent events (HTML standard, 9.2), resumed with `Last-Event-ID`.

A stream reads the log twice a second, so the number of streams and their duration are limited. Clients of the protocol
reconnect by themselves and miss no event.
"""

import json
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from http import HTTPStatus
from uuid import UUID

from django.http import StreamingHttpResponse
from rest_framework.utils.encoders import JSONEncoder

from common.errors import ApiError
from ledger.shares import ProjectSlots
from tracking.event_serializers import FeedEventOutput
from tracking.feed.cursor import Cursor
from tracking.feed.pages import FeedPage, cursor_of, read_page
from tracking.models import Event

# The most streams in each web process, of all projects and of one.
STREAM_LIMIT = 60
PROJECT_STREAM_LIMIT = 10
STREAM_SECONDS = 55.0
POLL_SECONDS = 0.5
# The interval of writes without events: only a write shows the server that the client has gone.
BREATH_SECONDS = 4.0
PAGE = 100


class TooManyStreamsError(ApiError):
    """Too many clients follow the events at the moment. Retry later, or read pages of `/events`."""

    code = "too_many_streams"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


slots = ProjectSlots(STREAM_LIMIT, PROJECT_STREAM_LIMIT)


def follow(
    project_id: UUID, *, after: Cursor, types: Sequence[str] | None, is_test: bool | None = None
) -> Iterator[FeedPage]:
    """Yield pages without end; `has_more` says whether another look is worth while at once."""
    while True:
        page = read_page(project_id, after=after, limit=PAGE, types=types, is_test=is_test)
        yield page
        after = page.next


class EventStream:
    """The chunks of one stream, for `STREAM_SECONDS`; an empty one when there is nothing to say for POLL_SECONDS.

    A class, because a generator that is closed before its first item would never release its slot.
    """

    def __init__(self, pages: Iterable[FeedPage], project_id: UUID, *, is_paced: bool) -> None:
        self._chunks = self._send(pages)
        self._project_id = project_id
        self._slots = slots
        self._has_slot = True
        # Whether the server waits after an empty item; otherwise the stream sleeps.
        self._is_paced = is_paced

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        if not chunk and not self._is_paced:
            time.sleep(POLL_SECONDS)
        return chunk

    def close(self) -> None:
        if self._has_slot:
            self._has_slot = False
            self._slots.release(self._project_id)
            self._chunks.close()

    def _send(self, pages: Iterable[FeedPage]) -> Generator[bytes, None, None]:
        until = time.monotonic() + STREAM_SECONDS
        breath_at = time.monotonic() + BREATH_SECONDS
        yield b"retry: 1000\n\n"
        for page in pages:
            if page.events or time.monotonic() > breath_at:
                # A write without events has an id too, so that a client need not scan the same events again.
                yield b"".join(map(format_event, page.events)) or f"id: {page.next.write()}\n\n".encode()
                breath_at = time.monotonic() + BREATH_SECONDS
            if time.monotonic() > until:
                return
            if not page.has_more:
                yield b""


def format_event(event: Event) -> bytes:
    """Format one event for the stream. JSON has no raw line ends, so `data` is one line."""
    data = json.dumps(FeedEventOutput(event).data, cls=JSONEncoder)
    return f"id: {cursor_of(event).write()}\nevent: {event.type}\ndata: {data}\n\n".encode()


def open_stream(
    project_id: UUID, *, after: Cursor, types: Sequence[str] | None, is_test: bool | None = None, is_paced: bool
) -> StreamingHttpResponse:
    """Open a streaming response. Raises TooManyStreamsError."""
    if not slots.acquire(project_id):
        raise TooManyStreamsError
    pages = follow(project_id, after=after, types=types, is_test=is_test)
    stream = EventStream(pages, project_id, is_paced=is_paced)
    response = StreamingHttpResponse(stream, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response
