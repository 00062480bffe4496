"""What a worker child keeps between tasks: open connections, their conversations, and how fast each provider is."""

import os

from django.conf import settings

from delivery.conversations import Conversations
from delivery.envelope import Transport
from providers.choice import Way
from providers.transports import build_transport

# Of a fast provider's mail one child claims this much at once; of a slow one's twice its conversations.
MAX_CLAIMED = 200
# Fast is who answers within this time, the wait for a free conversation included.
FAST_SECONDS = 0.2


class Engine:
    """One for each process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.conversations = Conversations(settings.SMTP_CONVERSATIONS)
        self._transports: dict[Way, Transport] = {}
        self._capacity: dict[Way, int] = {}

    def transport(self, way: Way) -> Transport:
        """The transport of a way out, built once; a changed provider is another way."""
        found = self._transports.get(way)
        if found is None:
            for old in [old for old in self._transports if old.id == way.id]:
                self._transports.pop(old).close()
            found = self._transports[way] = build_transport(way)
        return found

    def room(self, way: Way) -> int:
        """How many more deliveries may be begun now, so that no conversation ends without a next one."""
        open_count = self.conversations.in_flight(way) + self.conversations.queued(way)
        return 2 * settings.SMTP_CONVERSATIONS - open_count

    def capacity(self, way: Way) -> int:
        """How many deliveries for this way a child may hold, begun or not."""
        return self._capacity.get(way, 2 * settings.SMTP_CONVERSATIONS)

    def note_pace(self, way: Way, seconds: float) -> None:
        """Claims for a provider that answers quickly become fewer and larger."""
        if seconds < FAST_SECONDS:
            self._capacity[way] = min(MAX_CLAIMED, 2 * self.capacity(way))
        else:
            self._capacity[way] = 2 * settings.SMTP_CONVERSATIONS

    def close(self) -> None:
        """End conversations' threads and kept connections."""
        self.conversations.close(1.0)
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()


_engine: Engine | None = None


def find_engine() -> Engine:
    """This process's engine. A forked child makes its own: threads and sockets do not survive a fork."""
    global _engine
    if _engine is None or _engine.pid != os.getpid():
        _engine = Engine()
    return _engine


def close_engine() -> None:
    """Close what this process keeps open; called when a worker child ends."""
    global _engine
    if _engine is not None and _engine.pid == os.getpid():
        _engine.close()
    _engine = None
