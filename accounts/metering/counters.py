"""Takes amounts from limits: in Redis by one script, or in this process while Redis is unavailable.

Without Redis each process applies the whole limit by itself, from what it saw last: at most processes × limit.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from accounts.metering.limits import Limit
from ledger.redis_state import Script, shared

# A full bucket may miss a little by rounding.
ALMOST = 1e-6
MAX_OWN = 50_000
# KEYS: one for each limit. ARGV: one text with five words for each: kind (b or c), most or -, amount, life in seconds,
# start of a counter or -. Returns a text of words, since clients read a list more slowly: -1, then 0 or 1 for each, if
# these counters are missing and nothing was done; else the number of the last limit that refuses or 0, and the rest
# of each, - for a limit that only counts. An amount is taken from all limits or from none.
_TAKE = Script("""
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local words = {}
for word in string.gmatch(ARGV[1], '%S+') do words[#words+1] = word end
local have, missing, lacks, refused = {}, {-1}, false, 0
for i, key in ipairs(KEYS) do
  local kind, most, amount, start = words[i*5-4], tonumber(words[i*5-3]), tonumber(words[i*5-2]), tonumber(words[i*5])
  missing[i+1] = 0
  if kind == 'b' then
    local kept = redis.call('HMGET', key, 'tokens', 'at')
    have[i] = math.min(most, (tonumber(kept[1]) or most) + math.max(0, now - (tonumber(kept[2]) or now)) * most)
    local enough = amount == 0 or have[i] >= amount - 1e-6 or (amount > most and have[i] >= most - 1e-6)
    if not enough then refused = i end
  else
    local used = tonumber(redis.call('GET', key)) or start
    if not used then
      missing[i+1], lacks = 1, true
    else
      have[i] = used
      if most and amount > 0 and used + amount > most then refused = i end
    end
  end
end
if lacks then return table.concat(missing, ' ') end
local result = {refused}
for i, key in ipairs(KEYS) do
  local kind, most, amount, life = words[i*5-4], tonumber(words[i*5-3]), tonumber(words[i*5-2]), words[i*5-1]
  if refused > 0 then amount = 0 end
  if kind == 'b' then
    local left = have[i] - amount
    if amount > 0 then
      redis.call('HSET', key, 'tokens', string.format('%.6f', left), 'at', string.format('%.6f', now))
      redis.call('EXPIRE', key, math.ceil(life + math.max(0, -left / most)))
    end
    result[i+1] = string.format('%.6f', left)
  else
    if amount > 0 then redis.call('SET', key, string.format('%.0f', have[i] + amount), 'EX', life) end
    result[i+1] = most and string.format('%.0f', most - have[i] - amount) or '-'
  end
end
return table.concat(result, ' ')
""")
# KEYS as above. ARGV for each: kind, most or "", amount. A bucket or counter that is gone meanwhile needs nothing.
_GIVE_BACK = Script("""
for i, key in ipairs(KEYS) do
  local kind, most, amount = ARGV[i*3-2], tonumber(ARGV[i*3-1]), tonumber(ARGV[i*3])
  if redis.call('EXISTS', key) == 1 then
    if kind == 'b' then redis.call('HINCRBYFLOAT', key, 'tokens', amount)
    else redis.call('DECRBY', key, amount) end
  end
end
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Whether the amounts were taken: else the last limit that refuses. `remaining` has an amount for each limit."""

    refused: Limit | None
    remaining: Sequence[float | None]


# Reads the start of counters that Redis does not have.
LoadStarts = Callable[[Sequence[Limit]], Mapping[str, int]]


def take(limits: Sequence[Limit], load: LoadStarts) -> Taken:
    """Take each limit's amount, or nothing at all; one round trip but for the first use of a counter."""
    if not limits:
        return Taken(refused=None, remaining=[])
    found = _ask(limits, {})
    if found is not None and int(found[0]) < 0:
        found = _ask(limits, load([limit for limit, lacks in zip(limits, found[1:], strict=True) if int(lacks)]))
    if found is None:
        return own.take(limits, load)
    taken = _read(limits, found)
    own.note(limits, taken)
    return taken


def _ask(limits: Sequence[Limit], starts: Mapping[str, int]) -> Sequence[str] | None:
    words = " ".join([f"{limit.words} {starts.get(limit.key, '-')}" for limit in limits])
    found: str | None = shared.ask(lambda client: _TAKE.run(client, [limit.key for limit in limits], [words]))
    return None if found is None else found.split()


def give_back(limits: Sequence[Limit]) -> None:
    """Give back the amounts; limits with the amount 0 are left out."""
    given = [limit for limit in limits if limit.amount]
    if not given:
        return
    arguments: list[object] = []
    for limit in given:
        arguments += ["b" if limit.is_bucket else "c", "" if limit.most is None else limit.most, limit.amount]
    if shared.ask(lambda client: _GIVE_BACK.run(client, _keys(given), arguments) or [0]) is None:
        own.give_back(given)


def _keys(limits: Sequence[Limit]) -> list[str]:
    return [limit.key for limit in limits]


def _read(limits: Sequence[Limit], found: Sequence[str]) -> Taken:
    refused = int(found[0])
    remaining = [None if text == "-" else float(text) for text in found[1:]]
    return Taken(refused=limits[refused - 1] if refused else None, remaining=remaining)


class OwnCounters:
    """The same by this process alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}
        self._used: dict[str, int] = {}

    def note(self, limits: Sequence[Limit], taken: Taken) -> None:
        """Remember what Redis has counted."""
        for limit, remaining in zip(limits, taken.remaining, strict=True):
            if not limit.is_bucket and limit.most is not None and remaining is not None:
                if len(self._used) > MAX_OWN:
                    self._used.clear()
                self._used[limit.key] = limit.most - int(remaining)

    def take(self, limits: Sequence[Limit], load: LoadStarts) -> Taken:
        unknown = [limit for limit in limits if not limit.is_bucket and limit.key not in self._used]
        starts = load(unknown) if unknown else {}
        with self._lock:
            if len(self._buckets) > MAX_OWN:
                self._buckets.clear()
            for key, start in starts.items():
                self._used.setdefault(key, start)
            refused = next((limit for limit in reversed(limits) if not self._has(limit)), None)
            for limit in limits if refused is None else ():
                self._change(limit, limit.amount)
            return Taken(refused=refused, remaining=[self._left(limit) for limit in limits])

    def give_back(self, limits: Sequence[Limit]) -> None:
        with self._lock:
            for limit in limits:
                self._change(limit, -limit.amount)

    def _has(self, limit: Limit) -> bool:
        left = self._left(limit)
        if left is None or limit.amount == 0:
            return True
        is_full = limit.is_bucket and limit.most is not None and left >= limit.most - ALMOST
        return left >= limit.amount - ALMOST or (is_full and limit.amount > left)

    def _left(self, limit: Limit) -> float | None:
        if limit.most is None:
            return None
        if not limit.is_bucket:
            return limit.most - self._used.get(limit.key, 0)
        now = self._clock()
        tokens, at = self._buckets.get(limit.key, (float(limit.most), now))
        return min(float(limit.most), tokens + (now - at) * limit.most)

    def _change(self, limit: Limit, amount: int) -> None:
        if limit.is_bucket:
            self._buckets[limit.key] = ((self._left(limit) or 0.0) - amount, self._clock())
        else:
            self._used[limit.key] = max(0, self._used.get(limit.key, 0) + amount)


own = OwnCounters()
