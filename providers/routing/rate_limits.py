"""Rate and connection limits of a provider, shared by all workers.

Redis holds the counts. While it is unavailable each worker uses a bucket and a share of its own: exceeding the limit
for a short time is better than sending no mail.
"""

import os
import time
from collections.abc import Callable
from math import ceil
from typing import Any
from uuid import UUID, uuid4

from providers.routing.redis_state import shared

# The capacity of a bucket, as the time in which it fills.
BURST_SECONDS = 1.0
# The lifetime of a worker's share of the connections, and the interval of its renewal.
SHARE_TTL_MS = 10_000
SHARE_SECONDS = 1.0
WANT_MS = 3_000
# Without Redis a worker takes the limit divided by this number of workers.
USUAL_WORKERS = 4

# KEYS: bucket. ARGV: rate per second, maximum tokens, wanted tokens. Returns the granted tokens.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, most, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(most, (tonumber(kept[1]) or most) + math.max(0, now - (tonumber(kept[2]) or now)) * rate)
local granted = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens - granted), 'at', tostring(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(most / rate * 1000) + 60000)
return granted
"""

# KEYS: shares, want. ARGV: worker, wanted, limit, ttl in ms, ttl of want in ms. Returns the worker's new share.
# A worker without a share sets the key `want`, and the others give half of theirs back at their next renewal.
_HOLD = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local who, wanted, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local others, own = 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local count, expiry = string.match(all[i + 1], '^(%d+):(%d+)$')
  if all[i] == who then own = tonumber(count)
  elseif tonumber(expiry) <= now then redis.call('HDEL', KEYS[1], all[i])
  else others = others + tonumber(count) end
end
local share = math.max(0, math.min(wanted, limit - others))
local wants = redis.call('GET', KEYS[2])
if wants and wants ~= who and share > 1 then share = math.min(share, math.max(1, math.floor(own / 2))) end
if wants == who and share > 0 then redis.call('DEL', KEYS[2]) end
if share == 0 and wanted > 0 then redis.call('SET', KEYS[2], who, 'PX', ARGV[5]) end
if share == 0 then redis.call('HDEL', KEYS[1], who)
else
  redis.call('HSET', KEYS[1], who, share .. ':' .. (now + tonumber(ARGV[4])))
  redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[4]))
end
return share
"""


class Rates:
    """Limits on messages per second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._own: dict[UUID, tuple[float, float]] = {}

    def take(self, provider_id: UUID, rate: float, wanted: int) -> int:
        """Take up to `wanted` tokens; the result is the number of messages that may start now."""
        most = max(1.0, rate * BURST_SECONDS)
        granted = shared.ask(lambda client: _run(client, _TAKE, [f"rate:{provider_id}"], [rate, most, wanted]))
        return self._take_own(provider_id, rate, most, wanted) if granted is None else granted

    def _take_own(self, provider_id: UUID, rate: float, most: float, wanted: int) -> int:
        now = self._clock()
        tokens, at = self._own.get(provider_id, (most, now))
        tokens = min(most, tokens + (now - at) * rate)
        granted = min(wanted, int(tokens))
        self._own[provider_id] = (tokens - granted, now)
        return granted


class Shares:
    """Limits on concurrent connections: one worker process's share per provider, renewed every second in use."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._who = f"{os.getpid()}-{uuid4().hex[:12]}"
        self._clock = clock
        self._held: dict[UUID, tuple[int, float]] = {}

    def hold(self, provider_id: UUID, limit: int, wanted: int) -> int:
        """This process's share of the provider's connections, at most `wanted`."""
        now = self._clock()
        share, until = self._held.get(provider_id, (0, 0.0))
        if now >= until:
            share = self._ask(provider_id, limit, wanted)
            self._held[provider_id] = (share, now + SHARE_SECONDS)
        return share

    def share_of(self, provider_id: UUID) -> int:
        """The share that `hold` returned last, or 0. Thread-safe."""
        return self._held.get(provider_id, (0, 0.0))[0]

    def _ask(self, provider_id: UUID, limit: int, wanted: int) -> int:
        keys = [f"shares:{provider_id}", f"shares-wanted:{provider_id}"]
        arguments = [self._who, wanted, limit, SHARE_TTL_MS, WANT_MS]
        share = shared.ask(lambda client: _run(client, _HOLD, keys, arguments))
        return min(wanted, ceil(limit / USUAL_WORKERS)) if share is None else share


def _run(client: Any, script: str, keys: list[str], arguments: list[Any]) -> int:
    return int(client.eval(script, len(keys), *keys, *arguments))
