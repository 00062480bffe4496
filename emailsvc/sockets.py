"""Loopback ports."""

import socket

LOOPBACK = "127.0.0.1"
BACKLOG = 2048


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


def find_free_port(preferred: int, *, tries: int = 100) -> int:
    """The first free port from `preferred` on, else any free one. Nothing keeps it free."""
    for port in (*range(preferred, preferred + tries), 0):
        try:
            with listen(port) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise OSError("no free port")
