"""The listener in its own thread, as `run_inbox` runs it in its process."""

import asyncio
import smtplib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from common.listening import BindAddress
from inbox.listener import Listener
from inbox.models import Mail

# The `receive` fixture: `receive(raw, to=("ann@example.test",), mail_from="app@example.test")` stores one mail.
Receive = Callable[..., Mail]


@dataclass
class RunningListener:
    """Started and stopped by the `inbox` fixture."""

    port: int = 0
    listener: Listener | None = None
    _is_ready: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _is_over: asyncio.Event | None = None
    _is_stopped: bool = False

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._is_over = asyncio.get_running_loop(), asyncio.Event()
        self.listener = Listener()
        _, self.port = await self.listener.start(BindAddress())
        self._is_ready.set()
        await self._is_over.wait()
        await self.listener.stop()

    def wait_until_ready(self) -> None:
        assert self._is_ready.wait(60)

    def stop(self) -> None:
        assert self._loop is not None
        assert self._is_over is not None
        if not self._is_stopped:  # the loop may be closed by now
            self._is_stopped = True
            self._loop.call_soon_threadsafe(self._is_over.set)

    def connect(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, timeout=20)
