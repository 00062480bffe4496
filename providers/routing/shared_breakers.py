"""Circuit breakers of providers and mail exchangers, shared between workers through Redis."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from delivery.concurrency.circuit_breaker import BreakerPolicy, CircuitBreakers, OpenBreaker
from providers.routing.redis_state import shared

EXCHANGE_SECONDS = 1.0
# An entry that has not changed for this long belongs to a host that gets no mail any more.
FORGET_SECONDS = 6 * 3600.0
BOARD = "circuits"

provider_breakers = CircuitBreakers()
mx_breakers = CircuitBreakers(BreakerPolicy(first_wait=timedelta(seconds=30), most_wait=timedelta(minutes=15)))
# By the prefix of their keys.
GROUPS: Mapping[str, CircuitBreakers] = {"provider": provider_breakers, "mx": mx_breakers}


def provider_key(provider_id: UUID) -> str:
    """The key of a provider's breaker. (`delivery.mx.transport` builds those of mail exchangers.)"""
    return f"provider:{provider_id}"


def forget_failures(provider_id: UUID) -> None:
    """Close a provider's breaker for all workers, after a person has resumed the provider."""
    provider_breakers.reset(provider_key(provider_id))
    exchange()


class Exchange:
    """Exchanges changes of breakers with the other processes, at most once a second."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def run(self) -> None:
        """Exchange if the last exchange is a second old. Cheap to call often."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + EXCHANGE_SECONDS
            exchange()


def exchange() -> None:
    """Exchange now. While Redis is unavailable, changes are kept for the next exchange."""
    found = shared.ask(lambda client: client.hgetall(BOARD))
    if found is None:
        return
    told = {key: state for key, text in found.items() if (state := read_state(text))}
    changes: dict[str, OpenBreaker | None] = {}
    for prefix, circuits in GROUPS.items():
        changes |= circuits.exchange({key: state for key, state in told.items() if key.startswith(f"{prefix}:")})
    changes |= {key: None for key in found if key not in told}
    if changes and shared.ask(lambda client: _publish(client, changes)) is None:
        for prefix, circuits in GROUPS.items():
            circuits.put_back({key: state for key, state in changes.items() if key.startswith(f"{prefix}:")})


def _publish(client: Any, changes: Mapping[str, OpenBreaker | None]) -> bool:
    with client.pipeline(transaction=False) as pipeline:
        for key, state in changes.items():
            if state is None:
                pipeline.hdel(BOARD, key)
            else:
                pipeline.hset(BOARD, key, json.dumps(asdict(state)))
        pipeline.execute()
    return True


def read_state(text: str) -> OpenBreaker | None:
    """Parse an open breaker of another process; None for malformed or expired text."""
    try:
        state = OpenBreaker(**json.loads(text))
        is_over = time.time() - state.until > FORGET_SECONDS
    except (ValueError, TypeError):
        return None
    return None if is_over else state
