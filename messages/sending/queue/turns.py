"""Turns of projects: how many messages of each a claim takes, whatever their backlogs."""

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
    """A tenant with due mail. `most` is the number of messages that a claim may take of it now."""

    tenant: Tenant
    weight: float
    most: int


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
        """The number of messages that each tenant may have of `limit`; tenants without any are left out."""
        heap = [(self._start(one.tenant), number) for number, one in enumerate(demands) if one.most > 0]
        heapify(heap)
        counts = [0] * len(demands)
        for _ in range(limit if heap else 0):
            at, number = heap[0]
            counts[number] += 1
            if counts[number] < demands[number].most:
                heapreplace(heap, (at + 1 / demands[number].weight, number))
            else:
                heappop(heap)
                if not heap:
                    break
        return {one.tenant: count for one, count in zip(demands, counts, strict=True) if count}

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
