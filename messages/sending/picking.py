"""The mail that a worker child holds, and what of it starts now: as much as its provider takes, and of large mail as
much as memory may hold.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from messages.sending.claims import Claim
from messages.sending.progress import Waiting, Work, bundle, measure
from messages.sending.routing import ProjectLoad, take_one
from messages.sending.sources import LARGE_BYTES
from messages.sending.worker_state import SendQueueKey, WorkerState, leave_to_others
from messages.states import Lane
from providers.models import ProviderKind

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


class KeyQueue:
    """The waiting mail of one queue key, the longest waiting first."""

    def __init__(self) -> None:
        self.items: list[Waiting] = []
        self._groups: Counter[tuple[UUID, Lane]] = Counter()
        self._plain_count = 0

    @property
    def is_plain(self) -> bool:
        """Whether it is small mail of one project and lane, each in a conversation of its own: it keeps its order."""
        return len(self._groups) == 1 and self._plain_count == len(self.items)

    def add(self, item: Waiting) -> None:
        self.items.append(item)
        self._groups[item.claim.project_id, item.claim.lane] += 1
        self._plain_count += is_plain(item)

    def remove(self, items: Sequence[Waiting]) -> None:
        removed = {item.claim.recipient_id for item in items}
        self.items = [item for item in self.items if item.claim.recipient_id not in removed]
        self._uncount(items)

    def take_first(self, count: int) -> list[Waiting]:
        """Remove and return the first `count` items."""
        taken, self.items = self.items[:count], self.items[count:]
        self._uncount(taken)
        return taken

    def _uncount(self, items: Sequence[Waiting]) -> None:
        for item in items:
            take_one(self._groups, (item.claim.project_id, item.claim.lane))
            self._plain_count -= is_plain(item)


def is_plain(item: Waiting) -> bool:
    return item.size <= LARGE_BYTES and item.queue_key.provider.kind is not ProviderKind.ESP


class Holdings:
    """The mail that a worker child holds: what waits, by queue key, and the work that has begun. `load` counts both,
    and what was picked, until `end`.
    """

    def __init__(self, state: WorkerState) -> None:
        self._state = state
        self._queues: dict[SendQueueKey, KeyQueue] = {}
        self.work: dict[UUID, Work] = {}
        self.load = ProjectLoad()

    @property
    def has_waiting(self) -> bool:
        return bool(self._queues)

    def add(self, item: Waiting) -> None:
        """Hold mail that waits."""
        self._queues.setdefault(item.queue_key, KeyQueue()).add(item)
        self.load.add(item.queue_key, item.claim)

    def end(self, recipient_id: UUID) -> Work | None:
        """Hold this work no longer; None if it is not held."""
        work = self.work.pop(recipient_id, None)
        if work is not None:
            self.load.remove(work.queue_key, work.claim)
        return work

    def drop(self, items: Iterable[Waiting]) -> None:
        """Hold mail no longer that was picked."""
        for item in items:
            self.load.remove(item.queue_key, item.claim)

    def withdraw(self, items: Sequence[Waiting] | None = None) -> list[Claim]:
        """Hold waiting mail no longer, by default all of it; returns its claims."""
        if items is None:
            items = [item for queue in self._queues.values() for item in queue.items]
        for queue_key in {item.queue_key for item in items}:
            self._remove(queue_key, [item for item in items if item.queue_key == queue_key])
        self.drop(items)
        return [item.claim for item in items]

    def pick(self, limit: int) -> Picked:
        """Pick what can start now, the longest waiting queue keys first; large mail holds at most `limit` bytes.

        It does not wait any more. What was picked is held, until it is `work` or is dropped.
        """
        byte_limit: ByteLimit | None = None
        turns: StartTurns | None = None
        starting: list[Sequence[Waiting]] = []
        held: list[Waiting] = []
        for queue_key, queue in sorted(self._queues.items(), key=lambda one: one[1].items[0].claim.attempt_id):
            if queue.is_plain:
                starting += [[item] for item in self._pick_plain(queue_key, queue)]
                continue
            byte_limit = byte_limit or ByteLimit(limit, self.work.values())
            turns = turns or StartTurns(self.work.values(), self._state.is_light)
            arranged = turns.arrange(queue_key, bundle(queue.items), self._state.places(queue_key))
            chosen = byte_limit.choose(queue_key, arranged)
            if len(chosen) < len(arranged):
                fitting = {id(items) for items in chosen}
                held += [item for items in arranged if id(items) not in fitting for item in items]
            # Admitted deliveries count for the provider's rate, so that only those are named that can start.
            admitted = chosen[: max(0, self._state.admit(queue_key, len(chosen)))] if chosen else []
            byte_limit.add(queue_key, admitted)
            self._remove(queue_key, [item for items in admitted for item in items])
            starting += admitted
        return Picked(starting=starting, held=held)

    def _pick_plain(self, queue_key: SendQueueKey, queue: KeyQueue) -> list[Waiting]:
        """As `pick`, where the order is that of the queue: at each step most of the mail waits on."""
        count = min(len(queue.items), self._state.room(queue_key))
        if count > 0 and queue_key.provider.is_shared:
            project_id = queue.items[0].claim.project_id
            own = sum(one.queue_key == queue_key and one.claim.project_id == project_id for one in self.work.values())
            count = min(count, leave_to_others(self._state.places(queue_key)) - own)
        admitted = self._state.admit(queue_key, count) if count > 0 else 0
        if admitted <= 0:
            return []
        taken = queue.take_first(admitted)
        if not queue.items:
            del self._queues[queue_key]
        return taken

    def _remove(self, queue_key: SendQueueKey, items: Sequence[Waiting]) -> None:
        queue = self._queues[queue_key]
        queue.remove(items)
        if not queue.items:
            del self._queues[queue_key]


def may_go_ahead(item: Waiting) -> bool:
    """Whether the final dot of mail to a relay that has been fast is granted with the start: for small mail.

    With a slow one the mark would stand long before the dot. What waits for a person after an unknown outcome is marked
    at the last moment, so that no mail waits that never left.
    """
    return item.may_be_uncertain and item.size <= LARGE_BYTES
