"""`run_report_listener`: the server that receives bounces and complaints, in the foreground."""

import asyncio
import gc
import signal
import ssl
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError

from common.commands import ServiceCommand
from common.listening import BindAddress, add_bind_options, read_bind_address
from delivery.tls import make_server_context
from gateways.report_listener import ReportListener


class Command(ServiceCommand):
    help = "Receive reports on our mail by SMTP and LMTP, and record them. Ends on SIGTERM or Ctrl-C."

    def add_options(self, parser: ArgumentParser) -> None:
        add_bind_options(parser, 2526)
        parser.add_argument("--certificate", help="PEM file with certificate and key, to offer STARTTLS.")

    def handle(self, *_: Any, host: str, port: int, fd: int | None, certificate: str | None, **__: Any) -> None:
        place = read_bind_address(host=host, port=port, fd=fd)
        name = settings.REPORT_DOMAIN or urlsplit(settings.PUBLIC_URL).hostname or "localhost"
        tls = read_certificate(certificate) if certificate else None
        try:
            asyncio.run(self.serve(ReportListener(name, tls=tls), place))
        except OSError as error:
            raise CommandError(f"Cannot listen on {place}: {error.strerror or error}") from None

    async def serve(self, listener: ReportListener, place: BindAddress) -> None:
        """Listen until stopped."""
        is_over = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, is_over.set)
        host, port = await listener.start(place)
        self.emit({"host": host, "port": port}, f"The report listener listens on {host}:{port}.")
        self.stdout.flush()
        # As for the inbox: otherwise the exit would take long to collect the objects of the start.
        gc.freeze()
        await is_over.wait()
        await listener.stop()


def read_certificate(path: str) -> ssl.SSLContext:
    """The server's TLS context. Raises CommandError for an unusable file."""
    try:
        return make_server_context(Path(path))
    except OSError as error:
        raise CommandError(f"--certificate: {error}") from None
