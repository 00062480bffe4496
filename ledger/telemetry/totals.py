"""The amounts of all processes of the installation, added up in Redis.

Counting itself never waits for Redis: a process adds its amounts once a second, and keeps them while Redis is away.
When Redis has lost its memory the counters begin at zero again, which Prometheus takes for a restart.
"""

from typing import Any

from ledger.redis_state import shared
from ledger.telemetry.gathering import gatherer
from ledger.telemetry.instruments import SUM, Amounts, SeriesKey, put_amounts_back, take_amounts

# A change of the meaning of fields takes another key: two releases may run beside each other.
HASH = "emailsvc:metrics:1"
# Separates the words of a field; no label has it.
SEPARATOR = "\x1f"


def write_amounts() -> bool:
    """Add what this process has counted to the totals. True if some is left because Redis is away."""
    amounts = take_amounts()
    if not amounts:
        return False

    def add(client: Any) -> bool:
        with client.pipeline(transaction=True) as pipe:
            for key, amount in amounts.items():
                if key[1] == SUM:
                    pipe.hincrbyfloat(HASH, SEPARATOR.join(key), round(amount, 6))
                else:
                    pipe.hincrby(HASH, SEPARATOR.join(key), int(amount))
            pipe.execute()
        return True

    if shared.ask(add):
        return False
    put_amounts_back(amounts)
    return True


def read_totals() -> Amounts | None:
    """The totals by family, part and labels; None while Redis is away."""

    def read(client: Any) -> dict[str, str]:
        found: dict[str, str] = client.hgetall(HASH)
        return found

    fields = shared.ask(read)
    return None if fields is None else {parse_field(field): float(value) for field, value in fields.items()}


def parse_field(field: str) -> SeriesKey:
    return tuple(field.split(SEPARATOR))


gatherer.register(write_amounts)
