"""Which way out a project's mail takes now."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from providers.models import Kind, Provider

# How long a worker may decide by what it read: a new or paused provider is noticed after this.
FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Way:
    """A provider as the sending loop sees it. `id` is None for the built-in simulator."""

    id: UUID | None
    name: str
    kind: Kind
    url: str = ""
    version: float = 0.0
    is_operated: bool = True

    def __hash__(self) -> int:
        """Ways are looked up many times for each mail."""
        return hash((self.id, self.version))

    @property
    def is_local(self) -> bool:
        """Mail that goes this way never leaves the machine. Nobody knows that of an inbox that a project names."""
        return self.kind is Kind.SIMULATOR or (self.kind is Kind.INBOX and self.is_operated)


# In every project, needs no row: test keys and addresses at simulator.test always go here.
SIMULATOR = Way(None, "simulator", Kind.SIMULATOR)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An enabled provider and what chooses among several."""

    way: Way
    priority: int
    weight: int
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """Whose mail can go out now: that of all projects without providers of their own, or not, and of those with some.

    `…direct…` are those of them whose mail may go straight to the recipients' servers.
    """

    is_shared_open: bool
    open_projects: Sequence[UUID]
    closed_projects: Sequence[UUID]
    is_shared_direct: bool
    direct_projects: Sequence[UUID]


class Routes:
    """All enabled providers, read at most once a second; safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._shared: list[Candidate] = []
        self._own: dict[UUID, list[Candidate]] = {}

    def choose(self, project_id: UUID, *, is_simulated: bool) -> Way | None:
        """The way for one message, or None when the project has no usable provider.

        A project's own providers come before shared ones; among those of the best (lowest) priority the weight decides.
        """
        if is_simulated:
            return SIMULATOR
        candidates = [candidate for candidate in self._candidates(project_id) if not candidate.is_paused]
        if not candidates:
            return None
        best = min(candidate.priority for candidate in candidates)
        first = [candidate for candidate in candidates if candidate.priority == best]
        if len(first) == 1:
            return first[0].way
        chosen = random.choices(first, [candidate.weight for candidate in first])  # noqa: S311 - spreads load only
        return chosen[0].way

    def find_usable(self, is_usable: Callable[[Way], bool]) -> Usable:
        """Who has a usable way now. A project's own providers come before shared ones, usable or not."""

        def find_kinds(candidates: Sequence[Candidate]) -> set[Kind]:
            return {one.way.kind for one in candidates if not one.is_paused and is_usable(one.way)}

        shared, own = self._current()
        shared_kinds = find_kinds(shared)
        kinds = {project: find_kinds(candidates) for project, candidates in own.items()}
        usable = sorted(project for project, found in kinds.items() if found)
        return Usable(
            is_shared_open=bool(shared_kinds),
            open_projects=usable,
            closed_projects=sorted(own.keys() - set(usable)),
            is_shared_direct=Kind.MX in shared_kinds,
            direct_projects=sorted(project for project, found in kinds.items() if Kind.MX in found),
        )

    def is_local_only(self, project_id: UUID) -> bool:
        """Whether the project's mail can reach only the inbox or the simulator, now and after any pause."""
        return all(candidate.way.is_local for candidate in self._candidates(project_id))

    def has_way(self, project_id: UUID) -> bool:
        return bool(self._candidates(project_id))

    def forget(self) -> None:
        """Read anew at the next question: for who has just changed a provider in this process."""
        self._read_at = float("-inf")

    def _candidates(self, project_id: UUID) -> Sequence[Candidate]:
        shared, own = self._current()
        return own.get(project_id) or shared

    def _current(self) -> tuple[Sequence[Candidate], Mapping[UUID, Sequence[Candidate]]]:
        with self._lock:
            if self._clock() - self._read_at > FRESH_SECONDS:
                self._read()
                self._read_at = self._clock()
            return self._shared, self._own

    def _read(self) -> None:
        self._shared, self._own = [], {}
        is_waiting = ExpressionWrapper(Q(paused_until__gt=Now()), BooleanField())
        for row in Provider.objects.filter(is_enabled=True).annotate(is_waiting=is_waiting):
            way = Way(row.pk, row.name, Kind(row.kind), row.url, row.updated_at.timestamp(), row.is_operated)
            candidate = Candidate(way, row.priority, row.weight, row.is_paused or bool(row.is_waiting))
            bucket = self._shared if row.project_id is None else self._own.setdefault(row.project_id, [])
            bucket.append(candidate)


routes = Routes()
