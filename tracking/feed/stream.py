"""The live feed: server-sent events (HTML standard, 9.2), resumed with `Last-Event-ID`.

Each stream occupies a thread of the web server, so their number and duration are limited. Clients of the protocol
reconnect by themselves and miss no event.
"""

import json
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from http import HTTPStatus
from uuid import UUID

from django.http import StreamingHttpResponse
from rest_framework.utils.encoders import JSONEncoder

from common.errors import ApiError
from tracking.event_serializers import FeedEventOutput
from tracking.feed.cursor import Cursor
from tracking.feed.pages import FeedPage, cursor_of, read_page
from tracking.models import Event

# The most streams per process, out of the web server's 16 threads.
STREAM_LIMIT = 2
STREAM_SECONDS = 55.0
POLL_SECONDS = 0.5
# The interval of writes without events: only a write shows the server that the client has gone.
BREATH_SECONDS = 4.0
PAGE = 100

streams = threading.BoundedSemaphore(STREAM_LIMIT)


class TooManyStreamsError(ApiError):
    """Too many clients follow the events at the moment. Retry later, or read pages of `/events`."""

    code = "too_many_streams"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


def follow(project_id: UUID, *, after: Cursor, types: Sequence[str] | None) -> Iterator[FeedPage]:
    """Yield pages without end; an empty page if no event arrived within POLL_SECONDS."""
    while True:
        page = read_page(project_id, after=after, limit=PAGE, types=types)
        yield page
        after = page.next
        if not page.has_more:
            time.sleep(POLL_SECONDS)


class EventStream:
    """The chunks of one stream, for `STREAM_SECONDS`.

    A class, because a generator that is closed before its first item would never release its slot.
    """

    def __init__(self, pages: Iterable[FeedPage]) -> None:
        self._chunks = self._send(pages)
        self._places = streams
        self._has_place = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        if self._has_place:
            self._has_place = False
            self._places.release()
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


def format_event(event: Event) -> bytes:
    """Format one event for the stream. JSON has no raw line ends, so `data` is one line."""
    data = json.dumps(FeedEventOutput(event).data, cls=JSONEncoder)
    return f"id: {cursor_of(event).write()}\nevent: {event.type}\ndata: {data}\n\n".encode()


def open_stream(project_id: UUID, *, after: Cursor, types: Sequence[str] | None) -> StreamingHttpResponse:
    """Open a streaming response. Raises TooManyStreamsError."""
    if not streams.acquire(blocking=False):
        raise TooManyStreamsError
    stream = EventStream(follow(project_id, after=after, types=types))
    response = StreamingHttpResponse(stream, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response
