"""Turns of projects: how many messages of each a claim takes, whatever their backlogs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from typing import NamedTuple
from uuid import UUID


class Tenant(NamedTuple):
    """A project takes turns with its mail, and separately with its simulated mail, which needs no provider."""

    project_id: UUID
    is_simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A tenant with due mail. `most` is the number of messages that a claim may take of it now; `is_light` if it has
    little due.
    """

    tenant: Tenant
    weight: float
    most: int
    is_light: bool = False


class Turns:
    """Start-time fair queueing (Goyal, Vin and Cheng, 1996) of tenants in one lane, in the memory of one worker child.

    Each tenant has a virtual time, which moves on by 1 / weight with every recipient that is claimed for it; the next
    turn is that of the earliest. A tenant that had no due mail starts at the present time: it does not get back the
    turns that it left to others. Every child is fair by itself, so all of them are together.

    Before that, up to half of the places go to light tenants by weight, the smallest backlog first, and count for no
    turn: mail of a project that sends a little, as most do, would else wait for one turn of every backlog.
    """

    def __init__(self) -> None:
        self._times: dict[Tenant, float] = {}
        self._now = 0.0
        self._free: Mapping[Tenant, int] = {}

    def share_out(self, limit: int, demands: Sequence[Demand]) -> dict[Tenant, int]:
        """The number of messages that each tenant may have of `limit`; tenants without any are left out."""
        counts: Counter[int] = Counter()
        light = [(0.0, one.most, number) for number, one in enumerate(demands) if one.is_light]
        give(limit // 2, demands, light, counts)
        self._free = {demands[number].tenant: count for number, count in counts.items()}
        others = [(self._start(one.tenant), 0, number) for number, one in enumerate(demands)]
        give(limit - counts.total(), demands, others, counts)
        return {demands[number].tenant: count for number, count in sorted(counts.items())}

    def charge(self, demands: Sequence[Demand], taken: Mapping[Tenant, int]) -> None:
        """Count the recipients that were claimed for the tenants in `taken`, as the last `share_out` gave them turns.

        A tenant whose mail could not be claimed has had a turn as well: otherwise many such tenants would be the next
        for ever.
        """
        turns = {tenant: max(1, count) - self._free.get(tenant, 0) for tenant, count in taken.items()}
        weights = {one.tenant: one.weight for one in demands}
        starts = {tenant: self._start(tenant) for tenant, count in turns.items() if count > 0}
        self._now = min(starts.values(), default=self._now)
        for tenant, start in starts.items():
            self._times[tenant] = start + turns[tenant] / weights[tenant]
        self._times = {tenant: at for tenant, at in self._times.items() if at > self._now}

    def _start(self, tenant: Tenant) -> float:
        return max(self._times.get(tenant, 0.0), self._now)


def give(limit: int, demands: Sequence[Demand], entries: list[tuple[float, int, int]], counts: Counter[int]) -> None:
    """Add `limit` turns to the counts of messages by demand. An entry is the virtual time of a demand, its rank among
    those of the same time, and its number.
    """
    heap = [entry for entry in entries if counts[entry[2]] < demands[entry[2]].most]
    heapify(heap)
    for _ in range(limit):
        if not heap:
            return
        at, rank, number = heap[0]
        counts[number] += 1
        if counts[number] < demands[number].most:
            heapreplace(heap, (at + 1 / demands[number].weight, rank, number))
        else:
            heappop(heap)
