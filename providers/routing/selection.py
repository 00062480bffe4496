"""Choose the provider for a project's mail, with the reason."""

import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from ledger.cached_rows import cached_rows
from providers.configuration.model import ProviderAddress
from providers.configuration.stored import find_settings
from providers.models import BounceMailbox, Provider, ProviderKind
from providers.routing.shared_breakers import provider_breakers, provider_key

# How long a worker may use cached providers: it notices a new or paused one after this time.
FRESH_SECONDS = 1.0
MAX_BECAUSE = 200


@dataclass(frozen=True, slots=True)
class ProviderRef:
    """The data of a provider that the sending loop needs. `id` is None for the built-in simulator.

    `address` is None for the built-in simulator, and where the stored settings cannot be read. `version` changes with
    the settings; a refresh token that was replaced is no change.
    """

    id: UUID | None
    name: str
    kind: ProviderKind
    address: ProviderAddress | None = field(default=None, compare=False)
    version: float = 0.0
    is_operated: bool = True
    rate_limit: float | None = None
    connection_limit: int | None = None
    # The address of a bounce mailbox that works, or empty.
    mailbox_address: str = ""
    # Whether all projects without providers of their own use it.
    is_shared: bool = False
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.id, self.version)))

    def __hash__(self) -> int:
        """By id alone, and kept: providers are dictionary keys that are looked up many times for each mail."""
        return self._hash

    @property
    def is_local(self) -> bool:
        """Whether mail stays on this machine. A project's own inbox may be elsewhere and does not count."""
        return self.kind is ProviderKind.SIMULATOR or (self.kind is ProviderKind.INBOX and self.is_operated)


_MAILBOX_ADDRESS = re.compile(r"[A-Za-z0-9._-]{1,64}@[A-Za-z0-9.-]{1,250}")

# Part of every project, without a row: the mail of test keys always uses it, and no other mail.
SIMULATOR = ProviderRef(None, "simulator", ProviderKind.SIMULATOR)

# Why a provider takes no mail: its settings are lost, or it is of a kind that is not for live mail.
UNREADABLE = "unreadable: its stored settings cannot be read"
FOR_TEST_KEYS = "simulator: only for test keys"

# The providers that have failed for a mail in this round of attempts, each with its reply.
Tried = Mapping[UUID, str]
# Returns the reason why a provider is unavailable to the caller, or `""` when it is available.
Availability = Callable[[ProviderRef], str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An enabled provider with its priority, weight and pause."""

    provider: ProviderRef
    priority: int
    weight: int
    pause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSelection:
    """The chosen provider and the reason: `only`, `priority`, `weight`, `failover`, `probe` (of an open breaker), or
    `again` (all have been tried). `skipped` holds the names of providers with precedence, and why they were skipped.
    """

    provider: ProviderRef
    because: str
    skipped: Sequence[tuple[str, str]] = ()

    def describe(self) -> dict[str, Any] | None:
        """The decision in the form that is stored with the attempt; None when there was no alternative."""
        if self.because == "only" and not self.skipped:
            return None
        return {
            "because": self.because,
            "skipped": [{"provider": name, "because": why[:MAX_BECAUSE]} for name, why in self.skipped],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UsableProjects:
    """The projects that have a usable provider now: all projects without their own providers, or none of them, and
    the projects with usable providers of their own. `…direct…` marks those with a provider of kind `mx`; `shared` are
    the shared providers with room.
    """

    is_shared_open: bool
    open_projects: Sequence[UUID]
    closed_projects: Sequence[UUID]
    is_shared_direct: bool
    direct_projects: Sequence[UUID]
    shared: Sequence[ProviderRef] = ()


def always_available(_way: ProviderRef) -> str:
    return ""


class Routes:
    """A cache of all enabled providers, read at most once a second. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._mark: int | None = None
        self._shared: list[Candidate] = []
        self._own: dict[UUID, list[Candidate]] = {}

    def choose(
        self,
        project_id: UUID,
        *,
        is_simulated: bool,
        tried: Tried | None = None,
        availability: Availability = always_available,
    ) -> ProviderSelection | None:
        """The provider for one message, or None when the project has no usable provider.

        A project's own providers come before shared ones. Among the usable providers of the lowest priority value the
        choice is random by weight. Providers tried in this round are left out while another one is usable. A choice
        `because` of a probe has started the probe: the caller must report its outcome to the breaker.
        """
        if is_simulated:
            return ProviderSelection(provider=SIMULATOR, because="only")
        candidates = self.list_candidates(project_id)
        skipped: list[tuple[str, str]] = []
        for group in group_by_priority(candidates):
            usable = keep_available(
                group, skipped, lambda provider: describe_tried(provider, tried or {}) or availability(provider)
            )
            while usable:
                chosen = draw(usable)
                if found := self._take(chosen.provider, candidates, group, skipped, tried):
                    return found
                usable.remove(chosen)
        return self._choose_again(candidates, availability) if tried else None

    def _take(
        self,
        provider: ProviderRef,
        candidates: Sequence[Candidate],
        group: Sequence[Candidate],
        skipped: Sequence[tuple[str, str]],
        tried: Tried | None,
    ) -> ProviderSelection | None:
        """The selection of `provider`; None when its breaker has opened meanwhile or another worker runs the probe."""
        if provider.id is not None and provider_breakers.find_tripped(provider_key(provider.id)):
            if not provider_breakers.may_try(provider_key(provider.id)):
                return None
            return ProviderSelection(provider=provider, because="probe", skipped=tuple(skipped))
        if tried or skipped:
            because = "failover"
        elif len(candidates) == 1:
            because = "only"
        else:
            because = "weight" if len(group) > 1 else "priority"
        return ProviderSelection(provider=provider, because=because, skipped=tuple(skipped))

    def _choose_again(self, candidates: Sequence[Candidate], availability: Availability) -> ProviderSelection | None:
        """The best available provider again, after all have been tried."""
        skipped: list[tuple[str, str]] = []
        for group in group_by_priority(candidates):
            for one in keep_available(group, skipped, availability):
                if one.provider.id is None or provider_breakers.may_try(provider_key(one.provider.id)):
                    return ProviderSelection(provider=one.provider, because="again", skipped=tuple(skipped))
        return None

    def has_other(self, project_id: UUID, tried: Tried, availability: Availability = always_available) -> bool:
        """Whether a provider is usable now that was not tried in this round."""
        return any(
            keep_available([one], [], lambda provider: describe_tried(provider, tried) or availability(provider))
            for one in self.list_candidates(project_id)
        )

    def find_usable(self, availability: Availability, has_room: Callable[[ProviderRef], bool]) -> UsableProjects:
        """The projects whose best available provider has room. A full provider is not bypassed by one of lower rank.

        A project with providers of its own never uses shared ones.
        """

        def find_open(candidates: Sequence[Candidate]) -> list[ProviderRef]:
            for group in group_by_priority(candidates):
                if usable := keep_available(group, [], availability):
                    return [one.provider for one in usable if has_room(one.provider)]
            return []

        shared, own = self._current()
        open_shared = find_open(shared)
        kinds = {project: {one.kind for one in find_open(candidates)} for project, candidates in own.items()}
        usable = sorted(project for project, found in kinds.items() if found)
        return UsableProjects(
            is_shared_open=bool(open_shared),
            open_projects=usable,
            closed_projects=sorted(own.keys() - set(usable)),
            is_shared_direct=any(one.kind is ProviderKind.MX for one in open_shared),
            direct_projects=sorted(project for project, found in kinds.items() if ProviderKind.MX in found),
            shared=open_shared,
        )

    def is_local_only(self, project_id: UUID) -> bool:
        """Whether the project's mail can reach only the inbox or the simulator, paused providers included."""
        return all(candidate.provider.is_local for candidate in self._enabled(project_id))

    def find_providers(self, project_id: UUID) -> tuple[bool, bool]:
        """Whether live mail of the project has a provider, paused ones included, and whether one can be read."""
        places = [
            one.provider.address for one in self._enabled(project_id) if one.provider.kind is not ProviderKind.SIMULATOR
        ]
        return bool(places), places.count(None) < len(places)

    def forget(self) -> None:
        """Drop the cache, after a change of providers in this process."""
        self._read_at, self._mark = float("-inf"), None

    def list_candidates(self, project_id: UUID) -> Sequence[Candidate]:
        shared, own = self._current()
        return own.get(project_id) or shared

    def _enabled(self, project_id: UUID) -> Sequence[Candidate]:
        """The candidates, whose pauses may be old: every other change is known where the process is told of changes."""
        shared, own = self._current(is_current=cached_rows.mark is not None and cached_rows.mark == self._mark)
        return own.get(project_id) or shared

    def _current(self, *, is_current: bool = False) -> tuple[Sequence[Candidate], Mapping[UUID, Sequence[Candidate]]]:
        with self._lock:
            if not is_current and self._clock() - self._read_at > FRESH_SECONDS:
                self._mark = cached_rows.mark
                self._read()
                self._read_at = self._clock()
            return self._shared, self._own

    def _read(self) -> None:
        before = {
            one.provider: one.provider for candidates in (self._shared, *self._own.values()) for one in candidates
        }
        self._shared, self._own = [], {}
        is_waiting = ExpressionWrapper(Q(paused_until__gt=Now()), BooleanField())
        rows = (
            Provider.objects.filter(is_enabled=True).select_related("bounce_mailbox").defer("bounce_mailbox__password")
        )
        for row in rows.annotate(is_waiting=is_waiting):
            provider = build_provider_ref(row)
            is_paused = row.is_paused or bool(row.is_waiting)
            pause = f"paused: {row.pause_reason}".rstrip(": ") if is_paused else None
            if provider.address is None:
                pause = UNREADABLE
            elif provider.kind is ProviderKind.SIMULATOR:
                pause = FOR_TEST_KEYS
            bucket = self._shared if row.project_id is None else self._own.setdefault(row.project_id, [])
            # An unchanged provider stays the same object: a dictionary compares an equal one field by field.
            kept = before.get(provider, provider)
            bucket.append(
                Candidate(kept if kept.address == provider.address else provider, row.priority, row.weight, pause)
            )
        for candidates in (self._shared, *self._own.values()):
            candidates.sort(key=lambda one: one.priority)


def build_provider_ref(row: Provider) -> ProviderRef:
    return ProviderRef(
        row.pk,
        row.name,
        ProviderKind(row.kind),
        find_settings(row),
        row.updated_at.timestamp(),
        row.is_operated,
        row.rate_limit,
        row.connection_limit,
        name_mailbox_address(getattr(row, "bounce_mailbox", None)),
        row.project_id is None,
    )


def name_mailbox_address(mailbox: BounceMailbox | None) -> str:
    """The address at which a mailbox that works gets mail: its user name, where that is an address. Else `""`."""
    if mailbox is None or mailbox.failure or not _MAILBOX_ADDRESS.fullmatch(mailbox.username):
        return ""
    return mailbox.username


def group_by_priority(candidates: Sequence[Candidate]) -> Sequence[Sequence[Candidate]]:
    """Group sorted candidates by priority."""
    if len(candidates) < 2:
        return [candidates] if candidates else []
    groups: dict[int, list[Candidate]] = {}
    for one in candidates:
        groups.setdefault(one.priority, []).append(one)
    return list(groups.values())


def keep_available(
    group: Sequence[Candidate], skipped: list[tuple[str, str]], availability: Availability
) -> list[Candidate]:
    """The available candidates of a group; the others are added to `skipped` with the reason."""
    usable = []
    for one in group:
        if why := one.pause or describe_breaker(one.provider) or availability(one.provider):
            skipped.append((one.provider.name, why))
        else:
            usable.append(one)
    return usable


def describe_breaker(provider: ProviderRef) -> str:
    """The reason of a provider's open breaker; `""` when mail may be tried."""
    found = provider_breakers.find_open(provider_key(provider.id)) if provider.id else None
    return f"failing: {found.reason}" if found else ""


def describe_tried(provider: ProviderRef, tried: Tried) -> str:
    return f"tried: {tried[provider.id]}" if provider.id is not None and provider.id in tried else ""


def draw(group: Sequence[Candidate]) -> Candidate:
    """A random candidate of a group, by weight."""
    if len(group) == 1:
        return group[0]
    return random.choices(group, [one.weight for one in group])[0]  # noqa: S311 - for load balancing only


routes = Routes()
