"""What a worker child keeps between tasks: open connections, their conversations, and how fast each provider is."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings

from delivery.concurrency.adaptive_limit import Pace
from delivery.concurrency.conversations import Conversations
from delivery.envelope import Outcome, Reply, Stage, Transport
from messages.sending.claims import Claim
from providers.models import Kind
from providers.routing.rate_limits import Rates, Shares
from providers.routing.selection import Way
from providers.routing.shared_breakers import Exchange
from providers.transports import build_transport

# Of a fast provider's mail one child claims this much at once; of a slow one's twice its conversations.
MAX_CLAIMED = 200
# Fast is who answers within this time, the wait for a free conversation included.
FAST_SECONDS = 0.2
# What a domain's own servers are begun with; a relay is ours, and takes all that it is allowed at once.
FIRST_DIRECT = 3
MAX_PACES = 10_000


class Track(NamedTuple):
    """What shares a pace: a way out, or one domain of a way that goes straight to it."""

    way: Way
    domain: str = ""


class Engine:
    """One for each process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.conversations = Conversations(self.limit)
        self.exchange = Exchange()
        self._transports: dict[Way, Transport] = {}
        self._capacity: dict[Track, int] = {}
        self._paces: dict[Track, Pace] = {}
        self._resting: set[Track] = set()
        self._rates = Rates()
        self._shares = Shares()

    def transport(self, way: Way) -> Transport:
        """The transport of a way out, built once; a changed provider is another way."""
        found = self._transports.get(way)
        if found is None:
            for old in [old for old in self._transports if old.id == way.id]:
                self._transports.pop(old).close()
            found = self._transports[way] = build_transport(way)
        return found

    def track(self, way: Way, claim: Claim) -> Track:
        """Which track a claim goes on by this way."""
        return Track(way, claim.domain if way.kind is Kind.MX else "")

    def pace(self, track: Track) -> Pace:
        """The track's pace, made on demand."""
        found = self._paces.get(track)
        if found is None:
            if len(self._paces) >= MAX_PACES:
                self._forget_paces()
            most = settings.SMTP_CONVERSATIONS
            found = self._paces[track] = Pace(FIRST_DIRECT if track.domain else most, most)
        return found

    def _forget_paces(self) -> None:
        """Those without open conversations; what they had learned they learn again."""
        for track in [track for track in self._paces if not self.conversations.in_flight(track)]:
            del self._paces[track]

    def limit(self, track: Track) -> int:
        """How many conversations there may be at once, at least 1. The conversations' thread asks too."""
        pace = self._paces.get(track)
        limit = pace.limit if pace else 1
        return max(1, min(limit, self._find_share(track.way, limit)))

    def take_share(self, way: Way) -> None:
        """Have this process's part of the provider's connections counted, where they are limited."""
        if way.id is not None and way.connection_limit is not None:
            self._shares.hold(way.id, way.connection_limit, settings.SMTP_CONVERSATIONS)

    def _find_share(self, way: Way, limit: int) -> int:
        if way.id is None or way.connection_limit is None:
            return limit
        return self._shares.held(way.id)

    def admit(self, track: Track, wanted: int) -> int:
        """How many of `wanted` deliveries may be begun now. What is admitted counts for the provider's rate."""
        self.take_share(track.way)
        room = min(wanted, self.room(track))
        if room <= 0 or track.way.id is None or track.way.rate_limit is None:
            return room
        return self._rates.take(track.way.id, track.way.rate_limit, room)

    def room(self, track: Track) -> int:
        """How many more deliveries may be begun now, so that no conversation ends without a next one."""
        open_count = self.conversations.in_flight(track) + self.conversations.queued(track)
        self.pace(track)
        limit = self.limit(track) if self._find_share(track.way, 1) else 0
        return 2 * limit - open_count

    def capacity(self, track: Track) -> int:
        """How many deliveries for this track a child may hold, begun or not."""
        self.pace(track)
        limit = self.limit(track) if self._find_share(track.way, 1) else 0
        return self._capacity.get(track, 2 * limit) if limit == settings.SMTP_CONVERSATIONS else 2 * limit

    def is_resting(self, track: Track) -> bool:
        """Whether nothing is to be begun on the track for now."""
        return track in self._resting and self.pace(track).rest_seconds > 0

    def rest_seconds(self, way: Way) -> float:
        """How long a provider wants no mail at all."""
        track = Track(way)
        return self.pace(track).rest_seconds if track in self._resting else 0.0

    def closed_domains(self, held: Mapping[Track, int]) -> list[str]:
        """The domains of direct delivery of which no more is wanted now."""
        self._resting = {track for track in self._resting if self.pace(track).rest_seconds > 0}
        full = {track for track in held if track.domain and self.capacity(track) - held[track] < self.limit(track)}
        return sorted({track.domain for track in full | self._resting if track.domain})

    def note(self, track: Track, reply: Reply) -> None:
        """Let the track's pace know of a reply. A host that wants less of us gets less; one that is down is left to
        its circuit.
        """
        pace = self.pace(track)
        is_busy = reply.stage is Stage.GREETING and reply.outcome is Outcome.DEFERRED and reply.code is not None
        if reply.should_slow or is_busy:
            pace.note_trouble(reply.retry_after if reply.should_slow else None)
            if pace.rest_seconds:
                self._resting.add(track)
        elif reply.has_reached:
            pace.note_success()

    def note_pace(self, track: Track, seconds: float) -> None:
        """Claims for a provider that answers quickly become fewer and larger."""
        base = 2 * settings.SMTP_CONVERSATIONS
        fast = min(MAX_CLAIMED, 2 * self._capacity.get(track, base))
        self._capacity[track] = fast if seconds < FAST_SECONDS else base

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
