"""A report listener that tests send mail to."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from common.listening import BindAddress
from gateways.report_listener import ReportListener


@contextmanager
def listening(**options: Any) -> Iterator[int]:
    """A listener in a thread of its own; its port."""
    ready, ports, end = threading.Event(), [], []

    async def serve() -> None:
        listener, over = ReportListener("reports.test", **options), asyncio.Event()
        end.append((asyncio.get_running_loop(), over))
        ports.append((await listener.start(BindAddress()))[1])
        ready.set()
        await over.wait()
        await listener.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield ports[0]
    finally:
        loop, over = end[0]
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
