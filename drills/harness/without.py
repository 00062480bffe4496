"""Disables parts of the product, in the nursery and so in the drills' own programs only: drills must detect it."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ledger.sql import Params, Prepared, Row, fetch_as
from messages.sending import claims, lost_leases
from messages.sending.queue import waiting


class NotThereError(Exception):
    """The product has changed: the part to be disabled was not found."""


def sweeper() -> None:
    """Nothing looks for expired leases."""
    if not callable(getattr(lost_leases, "sweep_lost_leases", None)):
        raise NotThereError("messages.sending.lost_leases.sweep_lost_leases")
    lost_leases.sweep_lost_leases = lambda: 0


# Locks and leases with different tokens ensure that one worker at a time holds a recipient. Without them a process
# remembers only its own claims, and knows nothing of the others.
GUARDS = (
    ("FOR NO KEY UPDATE SKIP LOCKED", ""),
    ("lease_token IS NULL AND ", "id <> ALL(%(mine)s) AND "),
)
SAME_TOKEN = UUID("00000000-0000-4000-8000-000000000000")
# After this time a process may claim the same row again: a retry.
MINE_SECONDS = 3.0


def claim_without_lock() -> None:
    """Due recipients are taken as a plain SELECT finds them, and everybody holds them under the same token."""
    stripped = {name: strip(getattr(claims, name)) for name in ("_HEALTHY", "_SUSPECT")}
    for name, sql in stripped.items():
        setattr(claims, name, sql)
    waiting._WAITING = Prepared(strip(waiting._WAITING, [("lease_token IS NULL AND ", "")]))
    memory = Memory(frozenset(stripped.values()))
    claims.fetch_as = memory.fetch_as  # type: ignore[attr-defined]
    claims.uuid4 = lambda: SAME_TOKEN  # type: ignore[attr-defined]


class Memory:
    """Recent claims of this process. Forked children start with their own."""

    def __init__(self, claiming: frozenset[str]) -> None:
        self._claiming = claiming
        self._taken: dict[UUID, float] = {}

    def fetch_as(self, type_: type[Row], sql: str, params: Params = (), **fixed: Any) -> list[Row]:
        """Replaces the claims' own function: a claim skips the remembered rows."""
        if sql not in self._claiming or not isinstance(params, dict):
            return fetch_as(type_, sql, params, **fixed)
        now = time.monotonic()
        self._taken = {pk: at for pk, at in self._taken.items() if now - at < MINE_SECONDS}
        rows = fetch_as(type_, sql, {**params, "mine": list(self._taken)}, **fixed)
        self._taken |= {row.recipient_id: now for row in rows if isinstance(row, claims.Claim)}
        return rows


def strip(sql: str, guards: Sequence[tuple[str, str]] = GUARDS) -> str:
    """The statement without its guards; raises NotThereError if one of them is missing."""
    for guard, nothing in guards:
        if guard not in sql:
            raise NotThereError(f"{guard} in the claim")
        sql = sql.replace(guard, nothing)
    return sql
