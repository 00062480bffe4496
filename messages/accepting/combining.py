"""Concurrent requests of a project share a statement (group commit).

One thread of a process stores for a project at a time. Requests that come meanwhile wait, and the first of them stores
for all. A statement costs PostgreSQL six times as much as one more email in it, and one commit is one flush to the
disk. A request that meets no other waits for nothing.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import chain

from django.db import DataError, IntegrityError, OperationalError

from accounts.idempotency import KeptAnswer
from ledger.limits import is_lock_timeout
from messages.accepting.statement import Condition, NewRows, Result, store

# Requests of one statement, and the characters of a request's bodies up to which it takes part.
MOST_REQUESTS = 50
MOST_CHARACTERS = 64 * 1024
# A request that waits longer stores by itself: what delays one statement does not delay the next.
PATIENCE_SECONDS = 0.05
# A project's id as a number, which is compared in C, and whether it is its test mail.
Owner = tuple[int, bool]


@dataclass(slots=True, eq=False)
class Share:
    """One request's part of a statement.

    `ready` is released when another thread has stored it, or has failed, or leaves `group` to this thread to store.
    """

    condition: Condition
    rows: NewRows
    answers: Sequence[KeptAnswer]
    ready: threading.Lock = field(default_factory=threading.Lock)
    group: "Sequence[Share]" = ()
    result: Result | None = None
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.ready.acquire()

    @property
    def owner(self) -> Owner:
        return self.condition.project_id.int, self.condition.is_test

    @property
    def keys(self) -> set[str]:
        return {answer.ticket.key for answer in self.answers}

    @property
    def may_be_shared(self) -> bool:
        """Whether its rows are few and small, and expect no entry of the suppression list."""
        characters = sum(len(each.text) + len(each.html) for each in self.rows.contents)
        return len(self.rows.messages) == 1 and not self.condition.listed and characters <= MOST_CHARACTERS

    def store(self) -> Result:
        return store(self.condition, self.rows, None, self.answers)


class Combiner:
    """The waiting requests of each project for which a thread is storing."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._lines: dict[Owner, list[Share]] = {}

    def store(self, share: Share) -> Result:
        """As `share.store()`, perhaps together with other threads' shares.

        What a shared statement refuses is stored apart, so that each request gets its own answer. Raises as `store`.
        """
        if not share.may_be_shared:
            return share.store()
        if self._enter(share):
            share.group = (share,)
        elif not share.ready.acquire(timeout=PATIENCE_SECONDS):
            if self._leave(share):
                return share.store()
            share.ready.acquire()
        if share.group:
            self._store_group(share.owner, share.group)
        if share.error:
            raise share.error
        return share.result or share.store()

    def _enter(self, share: Share) -> bool:
        """Whether no other thread stores for the project now; otherwise the share waits in its line."""
        with self._mutex:
            line = self._lines.get(share.owner)
            if line is None:
                self._lines[share.owner] = []
                return True
            line.append(share)
            return False

    def _leave(self, share: Share) -> bool:
        """Whether the share was still in its line, which it has left."""
        with self._mutex:
            line = self._lines.get(share.owner, [])
            if share not in line:
                return False
            line.remove(share)
            return True

    def _store_group(self, owner: Owner, group: Sequence[Share]) -> None:
        try:
            store_together(group)
        except Exception as error:  # noqa: BLE001  each of the requests raises it
            for share in group:
                share.error = error
        finally:
            for share in group[1:]:
                share.ready.release()
            self._hand_over(owner)

    def _hand_over(self, owner: Owner) -> None:
        """Let the first share that waits be stored with the others; keys that are equal come one after the other."""
        group: list[Share] = []
        with self._mutex:
            keys: set[str] = set()
            for share in self._lines[owner]:
                if len(group) < MOST_REQUESTS and keys.isdisjoint(share.keys):
                    group.append(share)
                    keys |= share.keys
            self._lines[owner] = [share for share in self._lines[owner] if share not in group]
            if not group:
                del self._lines[owner]
        if group:
            group[0].group = group
            group[0].ready.release()


def store_together(group: Sequence[Share]) -> None:
    """Store the shares by one statement and note its result; no share has one if the statement was rolled back because
    of some of them. Raises what `store` raises, if nobody knows whether it was committed.
    """
    if len(group) == 1:
        group[0].result = group[0].store()
        return
    try:
        result = join(group).store()
    except (DataError, IntegrityError):
        return
    except OperationalError as error:
        if is_lock_timeout(error):
            return
        raise
    if result.is_stored:
        for share in group:
            share.result = result


def join(group: Sequence[Share]) -> Share:
    """The conditions, rows and answers of all shares as those of one."""
    first = group[0].condition
    condition = Condition(
        project_id=first.project_id,
        is_test=first.is_test,
        addresses=set(chain.from_iterable(share.condition.addresses for share in group)),
        streams=set(chain.from_iterable(share.condition.streams for share in group)),
    )
    names = [each.name for each in fields(NewRows)]
    tables = {name: list(chain.from_iterable(getattr(share.rows, name) for share in group)) for name in names}
    return Share(condition, NewRows(**tables), list(chain.from_iterable(share.answers for share in group)))
