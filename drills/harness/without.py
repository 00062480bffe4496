"""Parts taken out of the product, in the nursery and so in the drills' own programs only: drills must notice."""

import time
from typing import Any
from uuid import UUID

from ledger.sql import Params, fetch
from messages.sending import claims, lost_leases


class NotThereError(Exception):
    """The product has changed: what was to be taken out is not where it was."""


def sweeper() -> None:
    """Nobody looks for leases that ran out."""
    if not callable(getattr(lost_leases, "sweep_lost_leases", None)):
        raise NotThereError("messages.sending.lost_leases.sweep_lost_leases")
    lost_leases.sweep_lost_leases = lambda: 0


# Locks and leases, with tokens that differ, make sure that one worker at a time holds a recipient. What is left is a
# process that remembers what it has taken, and knows nothing of the others.
GUARDS = (
    ("FOR NO KEY UPDATE SKIP LOCKED", ""),
    ("lease_token IS NULL AND ", "id <> ALL(%(mine)s) AND "),
)
SAME_TOKEN = UUID("00000000-0000-4000-8000-000000000000")
# After this a process may take the same again: a retry.
MINE_SECONDS = 3.0


def claim_without_lock() -> None:
    """Due recipients are taken as a plain SELECT finds them, and everybody holds them under the same token."""
    stripped = {name: strip(getattr(claims, name)) for name in ("_HEALTHY", "_SUSPECT")}
    for name, sql in stripped.items():
        setattr(claims, name, sql)
    memory = Memory(frozenset(stripped.values()))
    claims.fetch = memory.fetch  # type: ignore[attr-defined]
    claims.uuid4 = lambda: SAME_TOKEN  # type: ignore[attr-defined]


class Memory:
    """What this process has taken lately. The children that are forked from it begin with their own."""

    def __init__(self, claiming: frozenset[str]) -> None:
        self._claiming = claiming
        self._taken: dict[UUID, float] = {}

    def fetch(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """In place of the claims' own: a claim passes over what is remembered."""
        if sql not in self._claiming or not isinstance(params, dict):
            return fetch(sql, params)
        now = time.monotonic()
        self._taken = {pk: at for pk, at in self._taken.items() if now - at < MINE_SECONDS}
        rows = fetch(sql, {**params, "mine": list(self._taken)})
        self._taken |= {row[0]: now for row in rows}
        return rows


def strip(sql: str) -> str:
    """The claim without its guards; NotThereError when one of them is not in it."""
    for guard, nothing in GUARDS:
        if guard not in sql:
            raise NotThereError(f"{guard} in the claim")
        sql = sql.replace(guard, nothing)
    return sql
