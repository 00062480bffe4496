"""Large requests take turns: threads work on few bytes of large bodies at the same time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from emailsvc.web.serving.limits import WORK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeWork:
    """A complete request with a large body. `start` hands it to a thread."""

    caller: str
    size: int
    start: Callable[[], None]


class WorkQueue:
    """Used by the event loop only. A caller without work in progress goes before one that has some."""

    def __init__(self, most: int) -> None:
        self._most = max(most, 1)
        self._bytes = 0
        self._active: Counter[str] = Counter()
        self._waiting: list[LargeWork] = []

    def add(self, work: LargeWork) -> None:
        self._waiting.append(work)
        self._start()

    def drop(self, work: LargeWork) -> bool:
        """Forget work that has not started; False if it has."""
        if work not in self._waiting:
            return False
        self._waiting.remove(work)
        return True

    def finish(self, work: LargeWork) -> None:
        self._bytes -= work.size
        self._active[work.caller] -= 1
        self._active += Counter()
        self._start()

    def _start(self) -> None:
        while self._waiting and self._active.total() < self._most:
            work = next((work for work in self._waiting if not self._active[work.caller]), self._waiting[0])
            if self._bytes and self._bytes + work.size > WORK_BYTES:
                return
            self._waiting.remove(work)
            self._bytes += work.size
            self._active[work.caller] += 1
            work.start()
