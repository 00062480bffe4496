"""Shares of what all projects use together, in one process: places, and processor time by the minute."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

MINUTE = 60.0


class ProjectSlots:
    """At most `limit` places, `project_limit` of them for one project. Safe to use from any thread."""

    def __init__(self, limit: int, project_limit: int) -> None:
        self._limit = limit
        self._project_limit = project_limit
        self._counts: Counter[UUID | None] = Counter()
        self._mutex = threading.Lock()

    def acquire(self, project_id: UUID | None) -> bool:
        """Take a place; False if the project, or all together, have their number. None stands for no project."""
        with self._mutex:
            if self._counts[project_id] >= self._project_limit or self._counts.total() >= self._limit:
                return False
            self._counts[project_id] += 1
            return True

    def release(self, project_id: UUID | None) -> None:
        with self._mutex:
            self._counts[project_id] -= 1
            if not self._counts[project_id]:
                del self._counts[project_id]


class MinuteCounts:
    """Amounts by key within a minute of this process's clock. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minute = 0
        self._spent: dict[UUID, float] = {}
        self._mutex = threading.Lock()

    def add(self, key: UUID, amount: float) -> None:
        with self._mutex:
            self._begin_minute()
            self._spent[key] = self._spent.get(key, 0.0) + amount

    def read(self, key: UUID) -> float:
        """The amount of this minute."""
        with self._mutex:
            self._begin_minute()
            return self._spent.get(key, 0.0)

    def seconds_left(self) -> float:
        """Until the next minute begins."""
        return MINUTE - self._clock() % MINUTE

    def _begin_minute(self) -> None:
        minute = int(self._clock() // MINUTE)
        if minute != self._minute:
            self._minute = minute
            self._spent.clear()

    @contextmanager
    def count_processor_time(self, key: UUID) -> Iterator[None]:
        """Add the processor time of the block, whether it succeeds or not."""
        started = time.thread_time()
        try:
            yield
        finally:
            self.add(key, time.thread_time() - started)
