"""Servers of ours: their address (a host and a port, or an inherited socket), and names in the WSGI environ."""

import asyncio
import socket
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass

from django.core.management.base import CommandError

BACKLOG = 512
# What the application tells our web server when it wants a large body: the most bytes that it takes, and their owner.
BODY_LIMIT = "emailsvc.body_limit"
BODY_CALLER = "emailsvc.body_caller"
# Set by our web server while the body has not been read: the application is run to learn whether it wants it, and then
# run again. The first of these runs takes nothing from anybody's limits.
BODY_IS_AWAITED = "emailsvc.body_is_awaited"
# Set by our web server, which takes an empty item of a stream as "not ready yet" (PEP 3333): it asks again a moment
# later, and gives the thread to others meanwhile.
EMPTY_MEANS_LATER = "emailsvc.empty_means_later"


@dataclass(frozen=True, kw_only=True)
class BindAddress:
    """`descriptor`, if given, is an inherited, bound socket; it takes precedence."""

    host: str = "127.0.0.1"
    port: int = 0
    descriptor: int | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.descriptor is None else f"descriptor {self.descriptor}"


def add_bind_options(parser: ArgumentParser, port: int) -> None:
    """The options `--host`, `--port` with this default, and `--fd`."""
    parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default: 127.0.0.1).")
    parser.add_argument("--port", default=port, type=int, help=f"Port; 0 takes a free one (default: {port}).")
    parser.add_argument(
        "--fd",
        type=int,
        help="Number of an inherited descriptor of a bound TCP socket, used instead of --host and --port.",
    )


def read_bind_address(*, host: str, port: int, fd: int | None) -> BindAddress:
    """The place in the options. Raises CommandError for an invalid port."""
    if not 0 <= port <= 65535:
        raise CommandError(f"--port: {port} is not between 0 and 65535.")
    return BindAddress(host=host, port=port, descriptor=fd)


async def open_server(build: Callable[[], asyncio.Protocol], place: BindAddress) -> asyncio.Server:
    """A server that accepts connections. Raises OSError if it cannot listen at the place."""
    loop = asyncio.get_running_loop()
    if place.descriptor is None:
        return await loop.create_server(build, place.host, place.port, backlog=BACKLOG)
    inherited = socket.socket(fileno=place.descriptor)
    if inherited.type != socket.SOCK_STREAM:
        inherited.detach()
        raise OSError("it is not a TCP socket")
    return await loop.create_server(build, sock=inherited, backlog=BACKLOG)


def tell_address(server: asyncio.Server) -> tuple[str, int]:
    """The actual address and port of the server."""
    address = server.sockets[0].getsockname()
    return str(address[0]), int(address[1])
