"""No test process binds a port that it does not hold: another process may have taken a free port meanwhile."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from weakref import WeakSet

import pytest

INTERNET = {socket.AF_INET, socket.AF_INET6}
_bound: WeakSet[socket.socket] = WeakSet()
_bind = socket.socket.bind


class UnheldPortError(AssertionError):
    """A port was asked for by its number, and no open socket of this process had it."""


@contextmanager
def guarded_ports() -> Iterator[None]:
    """Meanwhile `bind` takes port 0 and numbers that another open socket of this process has, and no others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "bind", bind_held)
        yield


@contextmanager
def unguarded_ports() -> Iterator[None]:
    """For tests of what looks for a port by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "bind", _bind)
        yield


def bind_held(self: socket.socket, address: tuple[str, int]) -> None:
    if self.family in INTERNET and address[1] and address[1] not in set(list_held()):
        raise UnheldPortError(f"port {address[1]} is bound without being held; see emailsvc.launcher.ports.held_port")
    _bind(self, address)
    _bound.add(self)


def list_held() -> Iterator[int]:
    for held in list(_bound):
        # One that was closed has no name any more.
        with suppress(OSError):
            if held.family in INTERNET:
                yield held.getsockname()[1]
