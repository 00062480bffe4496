"""One thread that waits for many sockets."""

import select
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic

from delivery.concurrency.steps import Wait

Action = Callable[[], None]


class Loop:
    """Waits for sockets, deadlines and what other threads post. All but `post` is for the thread that runs it.

    `poll` and not `epoll`: registering is no system call, and all systems have it.
    """

    def __init__(self) -> None:
        self._posts: deque[Action] = deque()  # its single operations are atomic
        self._is_asleep = False
        self._hears, self._rings = socket.socketpair()
        self._hears.setblocking(False)
        self._rings.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._hears, select.POLLIN)
        self._waiting: dict[int, tuple[float, Action]] = {}
        self._next_deadline = inf
        self.wake_at = inf  # do not sleep beyond this (monotonic seconds)

    def post(self, action: Action) -> None:
        """Do `action` in the loop's thread, soon. Any thread may call this."""
        self._posts.append(action)
        # The loop says that it sleeps before it looks at the posts for the last time: one of the two sees the other.
        if self._is_asleep:
            self._is_asleep = False
            with suppress(OSError):
                self._rings.send(b"!")

    def when_ready(self, wait: Wait, action: Action) -> None:
        """Do `action` once, when the socket is ready or the deadline has passed."""
        self._waiting[wait.fileno] = (wait.deadline, action)
        self._poll.register(wait.fileno, select.POLLOUT if wait.is_write else select.POLLIN)
        self._next_deadline = min(self._next_deadline, wait.deadline)

    def run(self, end_turn: Callable[[], bool]) -> None:
        """Turn until `end_turn` says that it was the last; it is called after all that could be done was done."""
        while True:
            # Not until empty: what these post in turn belongs to the next one.
            for _ in range(len(self._posts)):
                self._posts.popleft()()
            if not self._posts and end_turn():
                break
            self._sleep()
        self._hears.close()
        self._rings.close()

    def _sleep(self) -> None:
        self._is_asleep = True
        now = monotonic()
        until = now if self._posts else min(self._next_deadline, self.wake_at)
        ready = self._poll.poll(None if until == inf else max(0.0, until - now) * 1000 + 1)
        self._is_asleep = False
        for fileno, _event in ready:
            if fileno in self._waiting:
                self._go_on(fileno)
            else:
                self._hears.recv(4096)
        if monotonic() >= self._next_deadline:
            self._expire()

    def _go_on(self, fileno: int) -> None:
        _, action = self._waiting.pop(fileno)
        self._poll.unregister(fileno)
        action()

    def _expire(self) -> None:
        now = monotonic()
        for fileno in [fileno for fileno, (deadline, _) in self._waiting.items() if deadline <= now]:
            self._go_on(fileno)
        self._next_deadline = min((deadline for deadline, _ in self._waiting.values()), default=inf)
