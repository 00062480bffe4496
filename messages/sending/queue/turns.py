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
    """A tenant with due mail. `most` is the number of messages that a claim may take of it now; `is_light` if that is
    all that it has, and little.
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
    """

    def __init__(self) -> None:
        self._times: dict[Tenant, float] = {}
        self._now = 0.0

    def share_out(self, limit: int, demands: Sequence[Demand]) -> dict[Tenant, int]:
        """The number of messages that each tenant may have of `limit`; tenants without any are left out.

        Up to half of it goes to light tenants first: mail of a project that sends a little, as most do, would else wait
        for one turn of every backlog. The other half is everybody's, so that no backlog waits for them.
        """
        counts: Counter[int] = Counter()
        light = [number for number, one in enumerate(demands) if one.is_light]
        self._give(limit // 2, demands, light, counts)
        self._give(limit - counts.total(), demands, range(len(demands)), counts)
        return {demands[number].tenant: count for number, count in sorted(counts.items())}

    def _give(self, limit: int, demands: Sequence[Demand], numbers: Sequence[int], counts: Counter[int]) -> None:
        """Give `limit` turns to the demands with these numbers, the earliest virtual time first."""
        heap = [
            (self._start(demands[number].tenant) + counts[number] / demands[number].weight, number)
            for number in numbers
            if counts[number] < demands[number].most
        ]
        heapify(heap)
        for _ in range(limit):
            if not heap:
                return
            at, number = heap[0]
            counts[number] += 1
            if counts[number] < demands[number].most:
                heapreplace(heap, (at + 1 / demands[number].weight, number))
            else:
                heappop(heap)

    def charge(self, demands: Sequence[Demand], taken: Mapping[Tenant, int]) -> None:
        """Count the recipients that were claimed for the tenants in `taken`. A tenant whose mail could not be claimed
        has had a turn as well: otherwise many such tenants would be the next for ever.
        """
        starts = {one.tenant: self._start(one.tenant) for one in demands if one.tenant in taken}
        self._now = min(starts.values(), default=self._now)
        for one in demands:
            if one.tenant in taken:
                self._times[one.tenant] = starts[one.tenant] + max(1, taken[one.tenant]) / one.weight
        self._times = {tenant: at for tenant, at in self._times.items() if at > self._now}

    def _start(self, tenant: Tenant) -> float:
        return max(self._times.get(tenant, 0.0), self._now)
