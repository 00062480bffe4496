"""Loopback ports, each held from the moment when its number is known: another process may take a free port at once."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"
BACKLOG = 2048
LAST_PORT = 65_535


def listen(port: int, host: str = LOOPBACK) -> socket.socket:
    """A socket that listens on the loopback interface. Raises OSError if the port is taken or not allowed.

    `host` may be another loopback address (127.0.0.0/8), on systems that have them all.
    """
    listener = socket.socket(socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def listen_near(preferred: int, *, tries: int = 100) -> socket.socket:
    """A socket that listens on the first free port from `preferred` on, otherwise on any port."""
    for port in range(preferred, min(preferred + tries, LAST_PORT + 1)):
        try:
            return listen(port)
        except OSError:
            continue
    return listen(0)


@contextmanager
def held_port(host: str = LOOPBACK) -> Iterator[int]:
    """A port for a server that binds it by itself, later; until then connections to it are refused.

    `host` is the address at which it is held: `0.0.0.0` stands for all of IPv4, `::` for all of IPv4 and IPv6.

    Our socket is bound and does not listen. So the kernel does not give the port to a program that asks for any port,
    but a server that sets SO_REUSEADDR or SO_REUSEPORT, as servers do, can listen on it. On Linux both sides need the
    option.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, 0))
        yield int(holder.getsockname()[1])
