"""`run_inbox`: the SMTP listener, in the foreground."""

import asyncio
import gc
import resource
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from common.commands import ServiceCommand
from common.listening import BindAddress, add_bind_options, read_bind_address
from inbox.listener import LIMITS, Listener


class Command(ServiceCommand):
    help = "Accept any mail on an SMTP port and store it for the inbox page. Ends on SIGTERM or Ctrl-C."

    def add_options(self, parser: ArgumentParser) -> None:
        add_bind_options(parser, 2525)

    def handle(self, *_: Any, host: str, port: int, fd: int | None, **__: Any) -> None:
        place = read_bind_address(host=host, port=port, fd=fd)
        allow_connections()
        try:
            asyncio.run(self.serve(place))
        except OSError as error:
            raise CommandError(f"Cannot listen on {place}: {error.strerror or error}") from None

    async def serve(self, place: BindAddress) -> None:
        """Listen until stopped."""
        listener, is_over = Listener(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, is_over.set)
        host, port = await listener.start(place)
        self.emit({"host": host, "port": port}, f"The inbox listens on {host}:{port}.")
        self.stdout.flush()
        # Otherwise each exit took half a second to collect the objects of the start (measured; 0.03 s without).
        gc.freeze()
        await is_over.wait()
        await listener.stop()


def allow_connections() -> None:
    """Raise the limit of open files to the number of connections; some systems start with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LIMITS.connections + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
