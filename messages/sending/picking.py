"""What of the waiting mail starts now: as much as its provider takes, and of large mail as much as memory may hold."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from messages.sending.claims import Claim
from messages.sending.progress import Waiting, Work, bundle, measure
from messages.sending.sources import LARGE_BYTES
from messages.sending.worker_state import SendQueueKey, WorkerState, leave_to_others
from messages.states import Lane

# The part of the limit that mail of one queue key leaves to others: a slow server does not hold up all large mail.
LEFT_TO_OTHERS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """`starting` are bundles, each for one conversation. `held` are the items that only the limit of bytes stops."""

    starting: Sequence[Sequence[Waiting]]
    held: Sequence[Waiting]


class ByteLimit:
    """The bytes that large mail on its way holds, at most `limit`. One mail goes whatever its size."""

    def __init__(self, limit: int, work: Iterable[Work]) -> None:
        self._limit = limit
        self._shared_limit = int(limit * (1 - LEFT_TO_OTHERS))
        self._held: Counter[SendQueueKey] = Counter()
        for one in work:
            if one.is_large:
                self._held[one.queue_key] += one.size
        self._is_full = False

    def choose(self, queue_key: SendQueueKey, bundles: Sequence[Sequence[Waiting]]) -> list[Sequence[Waiting]]:
        """The bundles of a queue key that may start. Large ones keep their order, small ones do not wait for them.

        When one has to wait for the mail of other queue keys, no later large mail passes it.
        """
        total, own = self._held.total(), self._held[queue_key]
        chosen: list[Sequence[Waiting]] = []
        is_closed = self._is_full
        for items in bundles:
            size = measure(items)
            if size > LARGE_BYTES:
                self._is_full |= bool(total) and total + size > self._limit
                is_closed |= self._is_full or (bool(own) and own + size > self._shared_limit)
                if is_closed:
                    continue
                total, own = total + size, own + size
            chosen.append(items)
        return chosen

    def add(self, queue_key: SendQueueKey, bundles: Iterable[Sequence[Waiting]]) -> None:
        """Count bundles that start."""
        self._held[queue_key] += sum(size for items in bundles if (size := measure(items)) > LARGE_BYTES)


# Of the mail that may start now, so much critical mail goes before one other of the same project's.
CRITICAL_LEAD = 3


class StartTurns:
    """The order in which bundles of one queue key start: mail of projects that have little due comes first, of which
    claims take half at most, and then that of the project with the least on its way, whatever it has waiting. Of a
    shared provider no project has more than its part.
    """

    def __init__(self, work: Iterable[Work], is_light: Callable[[Claim], bool]) -> None:
        self._is_light = is_light
        self._started = Counter((one.queue_key, one.claim.project_id, one.claim.lane) for one in work)

    def arrange(
        self, queue_key: SendQueueKey, bundles: Sequence[Sequence[Waiting]], places: int
    ) -> list[Sequence[Waiting]]:
        """The bundles in the order of their turns, without those for which their project has no place.

        `places` is the number of bundles of the queue key that may be on their way.
        """
        counts = self._started.copy()
        by_project: Counter[UUID] = Counter()
        for (key, project_id, _), count in self._started.items():
            by_project[project_id] += count if key == queue_key else 0
        most = leave_to_others(places) if queue_key.provider.is_shared else places
        ranked: list[tuple[float, bool, int, Sequence[Waiting]]] = []
        for number, items in enumerate(bundles):
            claim = items[0].claim
            if by_project[claim.project_id] >= most:
                continue
            by_project[claim.project_id] += 1
            group = (queue_key, claim.project_id, claim.lane)
            is_critical = claim.lane is Lane.CRITICAL
            usual = -1 if self._is_light(claim) else counts[group]
            rank = counts[group] / CRITICAL_LEAD - 1 if is_critical else usual
            counts[group] += 1
            ranked.append((rank, not is_critical, number, items))
        return [items for *_, items in sorted(ranked, key=lambda one: one[:3])]


def pick(waiting: Sequence[Waiting], work: Collection[Work], state: WorkerState, limit: int) -> Picked:
    """Pick what can start now, the longest waiting queue keys first. `work` has started."""
    by_key: dict[SendQueueKey, list[Sequence[Waiting]]] = {}
    for items in bundle(waiting):
        by_key.setdefault(items[0].queue_key, []).append(items)
    byte_limit, turns = ByteLimit(limit, work), StartTurns(work, state.is_light)
    starting: list[Sequence[Waiting]] = []
    held: list[Waiting] = []
    for queue_key, bundles in by_key.items():
        arranged = turns.arrange(queue_key, bundles, 2 * state.limit(queue_key))
        chosen = byte_limit.choose(queue_key, arranged)
        if len(chosen) < len(arranged):
            fitting = {id(items) for items in chosen}
            held += [item for items in arranged if id(items) not in fitting for item in items]
        # Admitted deliveries count for the provider's rate, so that only those are named that can start.
        admitted = chosen[: max(0, state.admit(queue_key, len(chosen)))] if chosen else []
        byte_limit.add(queue_key, admitted)
        starting += admitted
    return Picked(starting=starting, held=held)


def may_go_ahead(item: Waiting, state: WorkerState) -> bool:
    """Whether the final dot is granted with the start: for small mail to a relay that has been fast.

    With a slow one the mark would stand long before the dot. What waits for a person after an unknown outcome is marked
    at the last moment, so that no mail waits that never left.
    """
    return item.may_be_uncertain and item.size <= LARGE_BYTES and state.is_fast(item.queue_key)
