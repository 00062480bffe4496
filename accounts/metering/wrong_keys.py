"""A brake for guesses: an address that has sent many wrong keys gets 429 for further ones. A right key is answered."""

import threading
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network

from common.client_ip import IpAddress
from common.errors import TooManyRequestsError
from ledger.redis_state import shared

MAX_WRONG = 20
PERIOD_SECONDS = 60
MAX_OWN = 10_000
# The end of a network has this many addresses (RFC 4291): a client may use any of them.
IPV6_PREFIX = 64


class TooManyWrongKeysError(TooManyRequestsError):
    """Too many requests with wrong API keys came from this address; try again later."""

    code = "too_many_wrong_keys"

    def __init__(self, seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(max(1, seconds))})


# The number of wrong keys since the first one of the period, and the seconds until it ends.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('TTL', KEYS[1])}
"""


class WrongKeys:
    """Counts wrong keys by address; for itself while Redis is unavailable."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._own: dict[str, tuple[int, float]] = {}

    def note(self, address: IpAddress | None) -> None:
        """Count a wrong key. Raises TooManyWrongKeysError beyond MAX_WRONG in a minute."""
        name = name_source(address)
        found = shared.ask(lambda client: client.eval(_COUNT, 1, f"wrong-keys:{name}", PERIOD_SECONDS))
        count, seconds = (int(found[0]), int(found[1])) if found is not None else self._count(name)
        if count > MAX_WRONG:
            raise TooManyWrongKeysError(seconds)

    def _count(self, name: str) -> tuple[int, int]:
        with self._lock:
            now = self._clock()
            count, until = self._own.get(name, (0, 0.0))
            if until <= now:
                count, until = 0, now + PERIOD_SECONDS
            if len(self._own) > MAX_OWN:
                self._own.clear()
            self._own[name] = (count + 1, until)
            return count + 1, int(until - now)


def name_source(address: IpAddress | None) -> str:
    """The address, or the network of one client."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


wrong_keys = WrongKeys()
