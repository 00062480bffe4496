"""Loopback ports, each held from the moment when its number is known: one that was free is soon another's."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"
BACKLOG = 2048
LAST_PORT = 65_535


def listen(port: int, host: str = LOOPBACK) -> socket.socket:
    """A socket that listens on the loopback interface. Raises OSError when the port is taken or not allowed.

    `host` is another of its addresses (127.0.0.0/8), where the system has them all.
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
    """A socket that listens on the first port from `preferred` on that can be had, else on any."""
    for port in range(preferred, min(preferred + tries, LAST_PORT + 1)):
        try:
            return listen(port)
        except OSError:
            continue
    return listen(0)


@contextmanager
def held_port(host: str = LOOPBACK) -> Iterator[int]:
    """A port for a server that binds it by itself, later; until then connections to it are refused.

    `host` is the address at which it is held: `0.0.0.0` stands for all of IPv4, `::` for all of both kinds.

    Our socket is bound and does not listen. So the kernel gives the port to nobody who asks for any, and yet a server
    that sets SO_REUSEADDR or SO_REUSEPORT, as servers do, can listen on it: on Linux both need the option only.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, 0))
        yield int(holder.getsockname()[1])
