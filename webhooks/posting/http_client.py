"""Posting over HTTP: many posts at once in one thread, each with a deadline over all that it does.

No redirect is followed and no proxy of the environment is used; of an answer's body a little is read and the rest left.
"""

import asyncio
import queue
import re
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from delivery.http_client import (
    HTTP_ERRORS,
    AsyncHttpClient,
    ConnectError,
    ConnectTimeout,
    NetworkError,
    ProtocolError,
    TimeoutException,
)
from delivery.mail_dates import read_mail_date
from delivery.ssrf import Guard, RefusedError, UrlTarget

log = structlog.get_logger(__name__)

# What is looked at of an answer's body, and what of that is kept. A connection with more to read is closed.
MAX_BODY = 16 * 1024
MAX_EXCERPT = 1000
MAX_CONNECTIONS = 500
CONNECT_SECONDS = 5.0
CLOSING_SECONDS = 0.01
MAX_RETRY_AFTER = timedelta(hours=24)

MAX_WORDS = 300
# What the network and the other side may do; anything else is a fault of ours.
EXPECTED_ERRORS = (*HTTP_ERRORS, OSError)
# In the order of the chain, the innermost cause last; the first that is known is told.
FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "The certificate could not be verified"),
    (ssl.SSLError, "TLS failed"),
    (ConnectionRefusedError, "The connection was refused"),
    (ConnectionError, "The connection was cut"),
    (ConnectTimeout, "Nobody answered at this address"),
    (ConnectError, "The connection could not be made"),
    (TimeoutException, "The answer took too long"),
    (ProtocolError, "The answer was not HTTP"),
    (NetworkError, "The connection was cut"),
    (OSError, "The network failed"),
)

# PostgreSQL keeps no NUL, and a person's terminal should not get what moves its cursor.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One request to make."""

    id: UUID
    target: UrlTarget
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOutcome:
    """What came of a post: a status, or an error in words when there is none. `is_refused`: by our own guard."""

    id: UUID
    status: int | None = None
    error: str = ""
    excerpt: str = ""
    duration: timedelta = field(default_factory=timedelta)
    retry_after: timedelta | None = None
    is_refused: bool = False

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Poster:
    """Posts in a thread of its own. `post` and `wait` are for the thread that made it."""

    def __init__(self, guard: Guard, *, deadline: timedelta) -> None:
        self.guard = guard
        self._deadline = deadline.total_seconds()
        self._answers: queue.SimpleQueue[PostOutcome] = queue.SimpleQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = AsyncHttpClient(guard, connect_seconds=CONNECT_SECONDS, max_connections=MAX_CONNECTIONS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def post(self, post: Post) -> None:
        """Begin a post; its answer comes out of `wait`, whatever happens."""
        self._loop.call_soon_threadsafe(self._begin, post)

    def wait(self, seconds: float, linger: float = 0.0) -> list[PostOutcome]:
        """The answers that have come, after waiting for the first one; `linger` longer for those just behind it."""
        try:
            answers = [self._answers.get(timeout=seconds)]
        except queue.Empty:
            return []
        until = time.monotonic() + linger
        while True:
            try:
                answers.append(self._answers.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                return answers

    def close(self) -> None:
        """Drop what is under way and end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._end())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()
        # Sockets are closed in the loop's next turns.
        await asyncio.sleep(CLOSING_SECONDS)

    def _begin(self, post: Post) -> None:
        task = self._loop.create_task(self._answer(post))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, post: Post) -> None:
        began = time.monotonic()
        heard = PartialResponse()
        try:
            async with asyncio.timeout(self._deadline):
                await read_answer(self._client, post, heard)
        except RefusedError as error:
            heard.error, heard.is_refused = error.message, True
        except TimeoutError:
            heard.error = f"There was no answer within {self._deadline:g} s."
        except Exception as error:  # whatever it is, a post without an answer would be held for ever
            heard.error = describe_failure(error)
            if not isinstance(error, EXPECTED_ERRORS):
                log.exception("webhook_post_failed", delivery_id=str(post.id))
        self._answers.put(heard.conclude(post.id, timedelta(seconds=time.monotonic() - began)))


async def read_answer(client: AsyncHttpClient, post: Post, heard: "PartialResponse") -> None:
    """Make the post, and keep in `heard` what the answer tells. EXPECTED_ERRORS, RefusedError."""
    async with client.call("POST", post.target, post.headers, post.body) as response:
        heard.status = response.status
        heard.retry_after = read_retry_after(find_header(response.headers, b"retry-after"))
        async for chunk in response.chunks:
            heard.body += chunk
            if len(heard.body) > MAX_BODY:
                break


def describe_failure(error: BaseException) -> str:
    """Why there was no answer, in one sentence for people."""
    causes = [error, *walk_causes(error)]
    for kind, words in FAILURES:
        for cause in causes:
            if isinstance(cause, kind):
                detail = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)
                return f"{words}: {detail}."[:MAX_WORDS]
    return f"The post failed: {type(error).__name__}."


def walk_causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def find_header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value for key, value in headers if key.lower() == name), b"")


@dataclass(slots=True, kw_only=True)
class PartialResponse:
    """What an answer has told so far. A status that came is the answer, though the body may never end."""

    status: int | None = None
    body: bytes = b""
    error: str = ""
    retry_after: timedelta | None = None
    is_refused: bool = False

    def conclude(self, post_id: UUID, duration: timedelta) -> PostOutcome:
        return PostOutcome(
            id=post_id,
            status=self.status,
            error=self.error if self.status is None else "",
            excerpt=_CONTROLS.sub(" ", self.body[: 4 * MAX_EXCERPT].decode("utf-8", errors="replace"))[:MAX_EXCERPT],
            duration=duration,
            retry_after=self.retry_after,
            is_refused=self.is_refused,
        )


def read_retry_after(value: bytes) -> timedelta | None:
    """RFC 9110, 10.2.3: seconds or a date. None for anything else; a day at most."""
    text = value.decode("latin-1").strip()
    if text.isdecimal() and len(text) < 9:
        return min(timedelta(seconds=int(text)), MAX_RETRY_AFTER)
    until = read_mail_date(text)
    if until is None or until.tzinfo is None:
        return None
    return min(max(until - datetime.now(UTC), timedelta(0)), MAX_RETRY_AFTER)
