"""The groups of one key that wait for a conversation: their owners take turns, and none takes all conversations."""

from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

Job = TypeVar("Job")


class Limits(NamedTuple):
    """The most conversations of a key, and of one owner among them; functions of the key, called by any thread."""

    of_key: Callable[[Any], int]
    of_owner: Callable[[Any], int]


class OwnerQueues(Generic[Job]):
    """The waiting jobs of one key, by owner. Without owners it is a plain queue.

    The thread that adds and the one that takes may be different ones: each operation on a queue is atomic. Only one
    thread at a time takes.
    """

    def __init__(self) -> None:
        self._queues: dict[Hashable, deque[Job]] = {}
        self.running: Counter[Hashable] = Counter()
        self._turn = 0
        self._last_turns: dict[Hashable, int] = {}

    def __bool__(self) -> bool:
        """Whether a job waits."""
        return any(self._queues.copy().values())

    def add(self, owner: Hashable, job: Job) -> None:
        self._queues.setdefault(owner, deque()).append(job)

    def take(self, owner_limit: int) -> Job | None:
        """The next job, which it counts as running: of the owner with the fewest running ones, and of several such of
        the one whose last turn is the longest ago. None if none may run.
        """
        waiting = [owner for owner, queue in tuple(self._queues.items()) if queue]
        if len(waiting) > 1:
            waiting.sort(key=lambda owner: (self.running[owner], self._last_turns.get(owner, 0)))
        for owner in waiting:
            if owner is None or self.running[owner] < owner_limit:
                try:
                    job = self._queues[owner].popleft()
                except IndexError:  # withdrawn meanwhile
                    continue
                self.running[owner] += 1
                self._turn += 1
                self._last_turns[owner] = self._turn
                return job
        return None

    def end(self, owner: Hashable) -> None:
        """A job of this owner has ended."""
        self.running[owner] -= 1
        if not self.running[owner]:
            del self.running[owner]

    def withdraw(self) -> list[Job]:
        """Remove and return all waiting jobs."""
        taken: list[Job] = []
        for queue in tuple(self._queues.values()):
            while queue:
                try:
                    taken.append(queue.popleft())
                except IndexError:
                    break
        return taken
