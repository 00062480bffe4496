"""The ground truth: an SMTP server that notes each mail on disk before it answers 250, and can be told to misbehave."""

import asyncio
import os
import threading
from collections import Counter
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import SO_RCVBUF, SOL_SOCKET
from time import monotonic
from typing import Self

from drills.stand_ins.conversation import Conversation, House
from drills.stand_ins.rules import Rule, SinkMail, Stage, as_usual
from emailsvc.launcher.ports import LOOPBACK, listen

CONTENT_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SunkMail:
    """A mail on disk, and the time of its arrival there (monotonic seconds)."""

    message_id: str
    address: str
    at: float


class HeldConversation:
    """A conversation that waits at `stage` until it is released."""

    def __init__(self, stage: Stage, mail: SinkMail, loop: asyncio.AbstractEventLoop) -> None:
        self.stage = stage
        self.mail = mail
        self._loop = loop
        self._is_released = asyncio.Event()

    def release(self) -> None:
        """Let it continue. Callable from any thread."""
        self._loop.call_soon_threadsafe(self._is_released.set)

    async def wait(self) -> None:
        await self._is_released.wait()


class Journal:
    """The file. Mail from one round of the loop is written together and synced once."""

    def __init__(self, path: Path) -> None:
        self.taken: list[SunkMail] = []
        self._waiting: list[tuple[SinkMail, asyncio.Future[None]]] = []
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def note(self, mail: SinkMail) -> None:
        """Return when the mail is on disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((mail, done))
        if len(self._waiting) == 1:
            loop.call_soon(self._flush)
        await done

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        os.write(self._file, b"".join(f"{mail.message_id} {mail.address}\n".encode() for mail, _ in waiting))
        os.fsync(self._file)
        self.taken += [SunkMail(mail.message_id, mail.address, monotonic()) for mail, _ in waiting]
        for _, done in waiting:
            if not done.done():
                done.set_result(None)

    def close(self) -> None:
        os.close(self._file)


class Sink:
    """Accepts mail on a loopback port, in its own thread: `with Sink(path) as sink: … sink.rule = …`.

    `place` is its (address, port), by default any free one. `rule` is asked in the sink's thread. Held conversations
    are in `held`, by address; `taken` grows as mail arrives.
    A small `receive_buffer` (bytes) leaves unread data with the sender.
    """

    def __init__(
        self,
        path: Path,
        rule: Rule = as_usual,
        *,
        receive_buffer: int = 0,
        place: tuple[str, int] = (LOOPBACK, 0),
    ) -> None:
        self.rule = rule
        self.held: dict[str, HeldConversation] = {}
        self._journal = Journal(path)
        self._seen: Counter[str] = Counter()
        self._socket = listen(place[1], place[0])
        if receive_buffer:
            self._socket.setsockopt(SOL_SOCKET, SO_RCVBUF, receive_buffer)
        self.port: int = self._socket.getsockname()[1]
        self._stop = asyncio.Event()
        self._is_up: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)
        self._house = House(
            ask=lambda stage, mail: self.rule(stage, mail), count=self._count, note=self._journal.note, hold=self._hold
        )

    @property
    def url(self) -> str:
        """Its URL as a provider whose 250 means delivery."""
        return f"inbox://{LOOPBACK}:{self.port}"

    @property
    def relay_url(self) -> str:
        """Its URL as a relay, which accepts mail and reports nothing more."""
        return f"smtp://{LOOPBACK}:{self.port}?tls=never"

    @property
    def taken(self) -> list[SunkMail]:
        """The mail so far, in order."""
        return list(self._journal.taken)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._is_up.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        conversations: set[asyncio.Task[None]] = set()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._talk(reader, writer))
            conversations.add(task)
            task.add_done_callback(conversations.discard)

        server = await asyncio.start_server(begin, sock=self._socket, limit=CONTENT_LIMIT)
        self._is_up.set_result(None)
        await self._stop.wait()
        server.close()
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        self._journal.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await Conversation(self._house, reader, writer).run()
        finally:
            writer.close()

    def _count(self, address: str) -> int:
        self._seen[address] += 1
        return self._seen[address] - 1

    async def _hold(self, stage: Stage, mail: SinkMail) -> None:
        held = self.held[mail.address] = HeldConversation(stage, mail, self._loop)
        await held.wait()
