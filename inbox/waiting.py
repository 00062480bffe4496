"""Requests that wait for mail: the list's `?wait=` and the page's event stream.

Each occupies a thread of the web server, so their number and their time are limited.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from http import HTTPStatus

from django.db import connection
from django.http import StreamingHttpResponse

from common.errors import ApiError
from inbox.models import Mail
from inbox.watch import LOOK_AGAIN, watch

# Out of the web server's 16 threads in each process, so that the API never waits for readers of the inbox.
WAITING_LIMIT = 12
STREAM_LIMIT = 2
STREAM_SECONDS = 55.0
# A server notices that the reader has gone only when it writes.
BREATH_SECONDS = 4.0
# A burst of mail notifies the page no more often than this.
STREAM_PAUSE = 0.15

waiting_slots = threading.BoundedSemaphore(WAITING_LIMIT)
streams = threading.BoundedSemaphore(STREAM_LIMIT)


class TooManyWaitingError(ApiError):
    """Too many requests are waiting for mail. Try again in a moment, or without waiting."""

    code = "too_many_waiting"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


def is_anything(_: str) -> bool:
    return True


def wait_for_mail(look: Callable[[], list[Mail]], concerns: Callable[[str], bool], seconds: float) -> list[Mail]:
    """The result of `look` as soon as it is not empty, or an empty one after so many seconds.

    No database connection is held between looks. Raises TooManyWaitingError.
    """
    if not waiting_slots.acquire(blocking=False):
        raise TooManyWaitingError
    try:
        return keep_looking(look, concerns, time.monotonic() + seconds)
    finally:
        waiting_slots.release()


def keep_looking(look: Callable[[], list[Mail]], concerns: Callable[[str], bool], deadline: float) -> list[Mail]:
    release_connection()
    with watch.attend():
        while True:
            seen = watch.count()
            found = look()
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            release_connection()
            watch.wait(seen, min(left, LOOK_AGAIN), concerns)


def release_connection() -> None:
    """Return the connection to the server; inside a transaction the caller keeps it."""
    if not connection.in_atomic_block:
        connection.close()


class MailStream:
    """Server-sent events: `ready` at once, `mail` after each change; ends after `STREAM_SECONDS`.

    A class, not a generator: a generator that is closed before its first item would never release its slot.
    """

    def __init__(self) -> None:
        self._chunks = self._watch()
        self._has_place = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        if self._has_place:
            self._has_place = False
            streams.release()
            self._chunks.close()

    def _watch(self) -> Generator[bytes, None, None]:
        until = time.monotonic() + STREAM_SECONDS
        with watch.attend():
            seen = watch.count()
            yield b"retry: 1000\nevent: ready\ndata: {}\n\n"
            while (left := until - time.monotonic()) > 0:
                count = watch.wait(seen, min(left, BREATH_SECONDS), is_anything)
                yield b"event: mail\ndata: {}\n\n" if count != seen else b":\n\n"
                seen = count
                time.sleep(STREAM_PAUSE)


def open_stream() -> StreamingHttpResponse:
    """The response that streams. Raises TooManyWaitingError."""
    if not streams.acquire(blocking=False):
        raise TooManyWaitingError
    release_connection()
    response = StreamingHttpResponse(MailStream(), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response
