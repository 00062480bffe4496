"""`run_submission`: the server by which SMTP clients send, in the foreground."""

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
from gateways.smtp.certificate import keep_certificate
from gateways.smtp.server import SubmissionServer
from ledger.limits import WorkKind, set_process_kind

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
# A certificate that was renewed is taken up within a minute, without a restart.
RELOAD_SECONDS = 60.0


class Command(ServiceCommand):
    help = "Take mail from SMTP clients that log in with an API key, and send it. Ends on SIGTERM or Ctrl-C."

    def add_options(self, parser: ArgumentParser) -> None:
        add_bind_options(parser, 587)
        parser.add_argument("--tls-port", default=465, type=int, help="Port that begins with TLS (default: 465).")
        parser.add_argument("--tls-fd", type=int, help="As --fd, for the port that begins with TLS.")
        parser.add_argument("--certificate", required=True, type=Path, help="PEM file with certificate and key.")
        parser.add_argument(
            "--self-signed", action="store_true", help="Make the certificate if the file is missing or ends soon."
        )

    def handle(self, *_: Any, host: str, port: int, fd: int | None, **options: Any) -> None:
        plain = read_bind_address(host=host, port=port, fd=fd)
        secure = read_bind_address(host=host, port=options["tls_port"], fd=options["tls_fd"])
        name = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
        certificate: Path = options["certificate"]
        tls = read_certificate(certificate, [name, *LOCAL_NAMES] if options["self_signed"] else [])
        # Somebody waits for each answer, as at the web server.
        set_process_kind(WorkKind.WEB)
        try:
            asyncio.run(self.serve(SubmissionServer(name, tls), (plain, secure), certificate))
        except OSError as error:
            raise CommandError(f"Cannot listen on {plain} and {secure}: {error.strerror or error}") from None

    async def serve(self, server: SubmissionServer, places: tuple[BindAddress, BindAddress], certificate: Path) -> None:
        """Listen until stopped."""
        is_over = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, is_over.set)
        (host, port), (_, tls_port) = await server.start(*places)
        self.emit(
            {"host": host, "port": port, "tls_port": tls_port},
            f"Submission listens on {host}:{port} (STARTTLS) and {host}:{tls_port} (TLS).",
        )
        self.stdout.flush()
        # As for the inbox: otherwise the exit would take long to collect the objects of the start.
        gc.freeze()
        renewing = asyncio.create_task(take_up_renewals(server, certificate))
        await is_over.wait()
        renewing.cancel()
        await server.stop()


def read_certificate(path: Path, names: list[str]) -> ssl.SSLContext:
    """The server's TLS context; with `names` a certificate for them is made if there is none. Raises CommandError."""
    try:
        if names:
            keep_certificate(path, list(dict.fromkeys(names)))
        return make_server_context(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"--certificate: {error}") from None


async def take_up_renewals(server: SubmissionServer, certificate: Path) -> None:
    """Load the certificate again when its file has changed; one that cannot be read is left for the next look."""
    changed_at = find_time(certificate)
    while True:
        await asyncio.sleep(RELOAD_SECONDS)
        if (now := find_time(certificate)) != changed_at and server.renew(certificate):
            changed_at = now


def find_time(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0
