"""The message's page kept up to date: a stream that tells when something has happened, by the feed's own machinery."""

import time
from collections.abc import Generator, Iterator
from uuid import UUID

from django.http import StreamingHttpResponse

from ledger.shares import ProjectSlots
from ledger.sql import fetch_value
from messages.models import Message
from tracking.feed.stream import BREATH_SECONDS, STREAM_SECONDS, EventStream, TooManyStreamsError

# The most pages that each web process keeps up to date, in all and for one project. Others are loaded again.
PAGE_LIMIT = 40
LOOK_SECONDS = 1.0
slots = ProjectSlots(PAGE_LIMIT, PAGE_LIMIT)
# The versions of the rows, and the last event: they change with everything that the page shows.
_VERSION = """
SELECT concat_ws('-', (SELECT xmin FROM mail_message WHERE id = %(id)s),
    (SELECT md5(string_agg(xmin::text, ' ' ORDER BY id)) FROM mail_recipient WHERE message_id = %(id)s),
    (SELECT max(serial) FROM tracking_event WHERE message_id = %(id)s))
"""


def read_version(message_id: UUID) -> str:
    return str(fetch_value(_VERSION, {"id": message_id}))


class MessageStream(EventStream):
    """Server-sent events `changed`, whose id is the version of the message."""

    def __init__(self, message: Message, seen: str, *, is_paced: bool) -> None:
        super().__init__((), message.project_id, is_paced=is_paced)
        self._slots = slots
        self._chunks = self._tell(message.pk, seen)

    def _tell(self, message_id: UUID, seen: str) -> Generator[bytes, None, None]:
        until = time.monotonic() + STREAM_SECONDS
        breath_at = look_at = time.monotonic()
        yield b"retry: 1000\n\n"
        while (now := time.monotonic()) < until:
            chunk = b""
            if now >= look_at:
                look_at = now + LOOK_SECONDS
                version = read_version(message_id)
                if seen and version != seen:
                    chunk = b"event: changed\ndata: {}\n"
                if chunk or now >= breath_at:
                    chunk += f"id: {version}\n\n".encode()
                    breath_at = now + BREATH_SECONDS
                seen = version
            yield chunk


def open_live(message: Message, seen: str, *, is_paced: bool) -> StreamingHttpResponse:
    """Open the stream of a message; `seen` is the version that the page shows. Raises TooManyStreamsError."""
    if not slots.acquire(message.project_id):
        raise TooManyStreamsError
    stream: Iterator[bytes] = MessageStream(message, seen, is_paced=is_paced)
    response = StreamingHttpResponse(stream, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response
