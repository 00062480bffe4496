"""Many conversations at once, in threads, for one owner who marks and records in bulk."""

import logging
from collections.abc import Collection, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from time import monotonic
from uuid import UUID

from delivery.envelope import Delivery, Outcome, Reply, Stage, Transport

# A thread without work ends after this; its transport keeps the connections.
IDLE_SECONDS = 10.0


class Ask:
    """One conversation's question: may the final dot be sent for `ids`? It waits until `Conversations.grant`."""

    __slots__ = ("_allowed", "_gate", "ids", "key")

    def __init__(self, key: Hashable, ids: tuple[UUID, ...]) -> None:
        self.key = key
        self.ids = ids
        self._allowed: tuple[UUID, ...] = ()
        self._gate = Lock()
        self._gate.acquire()

    def answer(self, allowed: tuple[UUID, ...]) -> None:
        """Let the conversation go on. Only the first answer counts."""
        if self._gate.locked():
            self._allowed = allowed
            self._gate.release()

    def await_answer(self) -> tuple[UUID, ...]:
        """The ids that may be sent, once somebody has answered."""
        self._gate.acquire()
        return self._allowed


@dataclass(frozen=True, slots=True)
class Finished:
    """A group whose conversation has ended: each id was answered, or is not ours to send any more."""

    key: Hashable
    ids: tuple[UUID, ...]


@dataclass(slots=True)
class Gathered:
    """What came since the last look; each conversation's words in the order in which it said them."""

    replies: list[tuple[UUID, Reply]] = field(default_factory=list)
    asking: list[Ask] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.replies or self.asking or self.finished)


Job = tuple[Transport, Sequence[Delivery]]
Word = tuple[UUID, Reply] | Ask | Finished


class _Line:
    """One key's queue and threads."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.lock = Lock()  # between a new job and a thread that goes for want of one
        self.threads: set[Thread] = set()
        self.open_count = 0  # groups not yet handed back as finished; the owner's alone


class Conversations:
    """Runs blocking conversations, at most `limit` at once for each key (a provider), in daemon threads.

    All methods are for one thread, the owner. At most `limit` messages for each key are between a granted dot and
    their answer being handed to the owner (by `wait`): a conversation's answer is queued before its next question,
    so whoever sees the question has the answer too.
    """

    def __init__(self, limit: int, logger: logging.Logger | None = None) -> None:
        self._limit = limit
        self._logger = logger or logging.getLogger(__name__)
        self._lines: dict[Hashable, _Line] = {}
        self._words: SimpleQueue[Word] = SimpleQueue()
        self._unanswered: set[Ask] = set()
        self._is_closed = False

    def submit(self, key: Hashable, transport: Transport, delivery_group: Sequence[Delivery]) -> None:
        """Queue one conversation. Each delivery comes back as a reply, or not at all if its dot was not granted."""
        if self._is_closed:
            raise RuntimeError("these conversations are closed")
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        with line.lock:
            line.open_count += 1
            line.jobs.put((transport, delivery_group))
            if len(line.threads) < min(self._limit, line.open_count):
                thread = Thread(target=self._work, args=(key, line), name=f"conversation-{key}", daemon=True)
                line.threads.add(thread)
                thread.start()

    def wait(self, timeout: float) -> Gathered:
        """All that has come, at least one word if any comes within `timeout` seconds."""
        gathered = Gathered()
        with suppress(Empty):
            self._sort(self._words.get(timeout=timeout), gathered)
            for _ in range(self._words.qsize()):
                self._sort(self._words.get_nowait(), gathered)
        return gathered

    def _sort(self, word: Word, gathered: Gathered) -> None:
        if isinstance(word, tuple):
            gathered.replies.append(word)
        elif isinstance(word, Ask):
            gathered.asking.append(word)
        else:
            self._lines[word.key].open_count -= 1
            gathered.finished.append(word)

    def grant(self, asks: Iterable[Ask], allowed_ids: Collection[UUID]) -> None:
        """Answer `asks`: their conversations send what is in `allowed_ids`, and nothing else."""
        allowed = frozenset(() if self._is_closed else allowed_ids)
        for ask in asks:
            self._unanswered.discard(ask)
            ask.answer(tuple(i for i in ask.ids if i in allowed))

    def in_flight(self, key: Hashable) -> int:
        """Groups whose conversation runs, or whose end was not yet handed over by `wait`."""
        return min(self._limit, self._count(key))

    def queued(self, key: Hashable) -> int:
        """Groups that wait for a thread."""
        return max(0, self._count(key) - self._limit)

    def free(self, key: Hashable) -> int:
        """How many more groups would start at once."""
        return max(0, self._limit - self._count(key))

    def total(self) -> int:
        """Groups of all keys whose end was not yet handed over."""
        return sum(line.open_count for line in self._lines.values())

    def _count(self, key: Hashable) -> int:
        line = self._lines.get(key)
        return line.open_count if line else 0

    def withdraw(self) -> list[UUID]:
        """Take back the groups that no thread has begun; their ids."""
        taken: list[UUID] = []
        for line in self._lines.values():
            with suppress(Empty):
                while job := line.jobs.get_nowait():
                    line.open_count -= 1
                    taken += [delivery.recipient_id for delivery in job[1]]
        return taken

    def close(self, timeout: float) -> None:
        """Grant no more dots, begin nothing more, and wait up to `timeout` seconds for conversations to end.

        What they still say can be had from `wait`. Threads that stay (in a server's ten minutes) do not keep the
        process alive.
        """
        self._is_closed = True
        self.withdraw()
        self.grant(list(self._unanswered), ())
        deadline = monotonic() + timeout
        threads = [(line, thread) for line in self._lines.values() for thread in list(line.threads)]
        for line, _ in threads:
            line.jobs.put(None)
        for _, thread in threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _work(self, key: Hashable, line: _Line) -> None:
        """A thread's life."""
        while True:
            try:
                job = line.jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                with line.lock:
                    if line.jobs.empty():
                        line.threads.discard(current_thread())
                        return
                continue
            if job is None:
                return
            self._converse(key, *job)

    def _converse(self, key: Hashable, transport: Transport, deliveries: Sequence[Delivery]) -> None:
        # What is to be said of each delivery if the transport does not say it.
        pending = dict.fromkeys((delivery.recipient_id for delivery in deliveries), Outcome.DEFERRED)

        def before_dot(ids: Collection[UUID]) -> tuple[UUID, ...]:
            allowed = self._ask(key, tuple(ids))
            for recipient_id in ids:
                pending.pop(recipient_id, None)
            pending.update(dict.fromkeys(allowed, Outcome.UNCERTAIN))
            return allowed

        text = "the transport said nothing"
        try:
            for recipient_id, reply in transport.transmit(deliveries, before_dot):
                if pending.pop(recipient_id, None):
                    self._words.put((recipient_id, reply))
        except BaseException as error:
            self._logger.exception("A transport failed.", extra={"provider": str(key)})
            text = f"a fault of ours: {type(error).__name__}"
        for recipient_id, outcome in pending.items():
            is_sent = outcome is Outcome.UNCERTAIN
            stage = Stage.DOT if is_sent else Stage.CONNECT
            self._words.put((recipient_id, Reply(outcome=outcome, stage=stage, text=text, has_reached=is_sent)))
        self._words.put(Finished(key, tuple(delivery.recipient_id for delivery in deliveries)))

    def _ask(self, key: Hashable, ids: tuple[UUID, ...]) -> tuple[UUID, ...]:
        ask = Ask(key, ids)
        # In this order: whoever closes answers what it finds there, and what comes later sees that it is closed.
        self._unanswered.add(ask)
        if self._is_closed:
            self._unanswered.discard(ask)
            return ()
        self._words.put(ask)
        return ask.await_answer()
