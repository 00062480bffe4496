"""Threads for the application. The thread that became idle last works first: its database connection is warm."""

import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


class ThreadPool:
    """At most `size` daemon threads, started as they are needed. Jobs may not raise."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = 0
        self._busy = 0
        self._mutex = threading.Lock()
        self._idle: list[PoolThread] = []
        self._waiting: deque[Job] = deque()

    @property
    def busy(self) -> int:
        return self._busy

    def submit(self, job: Job) -> None:
        with self._mutex:
            if self._idle:
                thread = self._idle.pop()
            elif self._count < self._size:
                self._count += 1
                thread = PoolThread(self, self._count)
                thread.start()
            else:
                self._waiting.append(job)
                return
            self._busy += 1
        thread.give(job)

    def next_job(self, thread: "PoolThread") -> Job | None:
        """The next waiting job, or None: the thread is idle then."""
        with self._mutex:
            if self._waiting:
                return self._waiting.popleft()
            self._busy -= 1
            self._idle.append(thread)
            return None


class PoolThread(threading.Thread):
    def __init__(self, pool: ThreadPool, number: int) -> None:
        super().__init__(name=f"web-{number}", daemon=True)
        self._pool = pool
        self._job: Job | None = None
        self._has_job = threading.Lock()
        self._has_job.acquire()

    def give(self, job: Job) -> None:
        self._job = job
        self._has_job.release()

    def run(self) -> None:
        while True:
            self._has_job.acquire()
            job, self._job = self._job, None
            while job is not None:
                job()
                job = self._pool.next_job(self)
