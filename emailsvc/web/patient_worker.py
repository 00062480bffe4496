"""gunicorn's worker: an event loop reads requests and writes answers, and threads run the application.

No client holds a thread: a request goes to one when it is complete, and leaves it with its answer. See
docs/decisions/0110-web-server-without-waiting-threads.md.
"""

import heapq
import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from gunicorn.workers.base import Worker

from emailsvc.web.serving.budget import ByteBudget
from emailsvc.web.serving.connection import ClientConnection
from emailsvc.web.serving.connection_state import NOTHING, State
from emailsvc.web.serving.exchange import Outcome
from emailsvc.web.serving.heads import keep_settings
from emailsvc.web.serving.limits import STOPPING_SECONDS, PeerCount, ServerLimits
from emailsvc.web.serving.refusals import TooManyConnectionsError
from emailsvc.web.serving.thread_pool import ThreadPool
from emailsvc.web.serving.work_queue import WorkQueue

# The interval in which passed deadlines are found.
SWEEP_SECONDS = 0.25
# A worker takes connections when it has warmed up, or after this time: a server that is away must not keep it from
# answering.
WARMING_SECONDS = 1.0
# Connections taken at once, so that other processes get some.
ACCEPT_AT_ONCE = 8
# Connections beyond a peer's number that get an answer at the same time; more are closed without.
REFUSED_AT_ONCE = 100


class PatientWorker(Worker):  # type: ignore[misc]
    """All methods run in the main thread but for those that say otherwise."""

    limits = ServerLimits()
    alive: bool
    # What the first thread does before the worker takes connections.
    warm_up: Callable[[], None] | None = None

    def init_process(self) -> None:
        keep_settings(self.cfg)
        self.budget = ByteBudget(self.limits.bytes_in_flight)
        self.work = WorkQueue(self.cfg.threads // 2)
        self._peers = PeerCount(self.limits)
        self._pool = ThreadPool(self.cfg.threads)
        self._selector = selectors.DefaultSelector()
        self._connections: set[ClientConnection] = set()
        self._given_back: deque[tuple[ClientConnection, Outcome]] = deque()
        self._pauses: list[tuple[float, int, ClientConnection]] = []
        self._numbers = count()
        self._refused = 0
        self._is_accepting = False
        self._swept_at = 0.0
        self._has_parent = True
        self._warm_at = 0.0
        super().init_process()

    # --- the loop

    def run(self) -> None:
        self._selector.register(self.PIPE[0], selectors.EVENT_READ, self._take_back)
        if self.warm_up:
            self._warm_at = time.monotonic() + WARMING_SECONDS
            self._pool.submit(self._run_warm_up)
        while self.alive and self._has_parent:
            is_warm = time.monotonic() >= self._warm_at
            self._accept_while(is_warm and len(self._connections) < self.cfg.worker_connections)
            self._step()
        self._stop()

    def _run_warm_up(self) -> None:
        """Runs in a thread of the pool, which then has a warm connection to the database."""
        try:
            if self.warm_up:
                self.warm_up()
        except Exception:
            self.log.exception("Error warming up")
        self._warm_at = 0.0
        self._wake()

    def _stop(self) -> None:
        """Answer what is under way, within gunicorn's time for that."""
        self._accept_while(False)
        for listener in self.sockets:
            listener.close()
        now = time.monotonic()
        for connection in list(self._connections):
            connection.stop(now + STOPPING_SECONDS)
        while self._connections and time.monotonic() < now + self.cfg.graceful_timeout:
            self._step()

    def _step(self) -> None:
        now = time.monotonic()
        wait = SWEEP_SECONDS if self._connections or not self._is_accepting else 1.0
        if self._pauses:
            wait = min(wait, max(self._pauses[0][0] - now, 0.0))
        for key, _ in self._selector.select(wait):
            if isinstance(key.data, ClientConnection):
                self._guard(key.data, key.data.handle)
            else:
                key.data(key.fileobj)
        now = time.monotonic()
        while self._pauses and self._pauses[0][0] <= now:
            connection = heapq.heappop(self._pauses)[2]
            self._guard(connection, connection.resume)
        if now - self._swept_at > SWEEP_SECONDS:
            self._swept_at = now
            self._sweep(now)

    def _sweep(self, now: float) -> None:
        """What need not be done at each event."""
        self.notify()
        if self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down: %s", self)
            self._has_parent = False
        for connection in [each for each in self._connections if each.deadline < now]:
            self._guard(connection, connection.expire)

    def _guard(self, connection: ClientConnection, step: Callable[[], None]) -> None:
        """A fault of ours in one connection is not the end of the others."""
        try:
            step()
        except Exception:
            self.log.exception("Error in a connection")
            connection.close()

    def _accept_while(self, wanted: bool) -> None:
        if wanted == self._is_accepting:
            return
        self._is_accepting = wanted
        for listener in self.sockets:
            if wanted:
                listener.setblocking(False)
                self._selector.register(listener, selectors.EVENT_READ, self._accept)
            else:
                self._selector.unregister(listener)

    def _accept(self, listener: Any) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                sock, address = listener.accept()
            except OSError:  # another process was faster, the client has gone, or no descriptor is left
                return
            sock.setblocking(False)
            peer = self._peers.find_peer(address)
            is_welcome = self._peers.enter(peer)
            if not is_welcome and self._refused >= REFUSED_AT_ONCE:
                sock.close()
                continue
            connection = ClientConnection(self, sock, peer if is_welcome else None, (address, listener.getsockname()))
            self._connections.add(connection)
            if is_welcome:
                self.watch(connection, selectors.EVENT_READ)
            else:
                self._refused += 1
                connection.refuse(TooManyConnectionsError())

    # --- for connections

    def watch(self, connection: ClientConnection, events: int) -> None:
        if events == connection.events:
            return
        if events == NOTHING:
            self._selector.unregister(connection.sock)
        elif connection.events == NOTHING:
            self._selector.register(connection.sock, events, connection)
        else:
            self._selector.modify(connection.sock, events, connection)
        connection.events = events

    def run_job(self, connection: ClientConnection, job: Callable[[], Outcome | None]) -> None:
        """Run the job in a thread; the connection gets its outcome back."""
        self._pool.submit(lambda: self._run_in_thread(connection, job))

    def _run_in_thread(self, connection: ClientConnection, job: Callable[[], Outcome | None]) -> None:
        """Runs in a thread of the pool."""
        try:
            outcome = job()
            if outcome is Outcome.ANSWERED and connection.settle():
                if connection.events == selectors.EVENT_READ:
                    return
                outcome = Outcome.SETTLED
        except BaseException:
            self.log.exception("Error handling request")
            outcome = Outcome.DROPPED
        if outcome is None:
            return
        self._given_back.append((connection, outcome))
        # Otherwise the loop has been woken already, and takes this one too.
        if len(self._given_back) == 1:
            self._wake()

    def _wake(self) -> None:
        """Wake the loop; for threads."""
        with suppress(OSError):  # a full pipe wakes the loop too
            os.write(self.PIPE[1], b".")

    def _take_back(self, pipe: int) -> None:
        with suppress(BlockingIOError):
            os.read(pipe, 4096)
        while self._given_back:
            connection, outcome = self._given_back.popleft()
            if connection.state is not State.CLOSED:
                self._guard(connection, partial(connection.take_back, outcome))

    def wake_at(self, when: float, connection: ClientConnection) -> None:
        heapq.heappush(self._pauses, (when, next(self._numbers), connection))

    def forget(self, connection: ClientConnection) -> None:
        self._connections.discard(connection)
        if connection.peer is None:
            self._refused -= 1
        else:
            self._peers.leave(connection.peer)

    def count_request(self) -> None:
        """Runs in a thread of the pool. gunicorn starts another worker when this one has served its number."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
