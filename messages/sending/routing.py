"""Which of the due mail may be claimed now, and by which way what was claimed goes out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.conf import settings

from delivery.envelope import Outcome, Reply
from ledger.sql import fetch
from messages.sending.claims import Claim, ClaimScope
from messages.sending.queue.turns import Tenant
from messages.sending.senders import may_leave_by
from messages.sending.worker_state import SendQueueKey, WorkerState, leave_to_others
from messages.states import Lane, Phase
from providers.models import ProviderKind
from providers.routing.selection import ProviderRef, ProviderSelection, Tried, routes

T = TypeVar("T")

# Mail that one child holds for recipients' own servers, begun or not, whatever the number of domains.
MAX_DIRECT = 200
# A domain's server that is slow to reply may be so for minutes.
SLOW_WAIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class ProjectLoad:
    """How much mail one child holds, begun or not: all and the critical part by queue key, and that of each project
    by provider. Counts are above 0.
    """

    in_flight: Counter[SendQueueKey] = field(default_factory=Counter)
    critical: Counter[SendQueueKey] = field(default_factory=Counter)
    held: Counter[tuple[ProviderRef, UUID]] = field(default_factory=Counter)

    def add(self, queue_key: SendQueueKey, claim: Claim) -> None:
        self.in_flight[queue_key] += 1
        self.held[queue_key.provider, claim.project_id] += 1
        if claim.lane is Lane.CRITICAL:
            self.critical[queue_key] += 1

    def remove(self, queue_key: SendQueueKey, claim: Claim) -> None:
        take_one(self.in_flight, queue_key)
        take_one(self.held, (queue_key.provider, claim.project_id))
        if claim.lane is Lane.CRITICAL:
            take_one(self.critical, queue_key)


def take_one(counts: Counter[T], key: T) -> None:
    """Count one less; a count of 0 is left out."""
    count = counts[key]
    if count > 1:
        counts[key] = count - 1
    else:
        del counts[key]


class ProviderRouter:
    """For one run of the sending loop. `slow` are the queue keys that keep the child beyond its time: for them nothing
    more is claimed.
    """

    def __init__(self, worker_state: WorkerState) -> None:
        self._worker_state = worker_state
        self.slow: set[SendQueueKey] = set()

    def room(self, provider: ProviderRef, load: ProjectLoad, lane: Lane) -> int:
        """How many more claims from a lane there is a use for; 0 for what is not worth a claim, and for a provider that
        is slow. What goes straight to recipients' servers has a limit for each of these.

        Critical mail has a quarter more places, which no other mail takes, and leaves a quarter of the usual ones.
        """
        self._worker_state.take_share(provider)
        if provider.kind is not ProviderKind.MX and SendQueueKey(provider) in self.slow:
            return 0
        places = self._places(provider)
        room = places - count_at(provider, load.in_flight)
        if lane is Lane.CRITICAL:
            return max(0, min(room + places // 4, leave_to_others(places) - count_at(provider, load.critical)))
        return room if room >= self._least(provider) else 0

    def find_limit(self, load: ProjectLoad, lane: Lane) -> int:
        """The most that a claim from a lane may take for the providers in use; 0 if all of them are full."""
        providers = {queue_key.provider for queue_key in load.in_flight}
        return max((self.room(provider, load, lane) for provider in providers), default=0)

    def _places(self, provider: ProviderRef) -> int:
        """How much mail of a provider this child may hold, begun or not."""
        return MAX_DIRECT if provider.kind is ProviderKind.MX else self._worker_state.capacity(SendQueueKey(provider))

    def _least(self, provider: ProviderRef) -> int:
        """The fewest free places that are worth a claim."""
        is_direct = provider.kind is ProviderKind.MX
        return settings.SMTP_CONVERSATIONS if is_direct else self._worker_state.least_room(SendQueueKey(provider))

    def _project_room(self, provider: ProviderRef, held: int, lane: Lane) -> int:
        """How much more of one project's mail this child may hold for a shared provider."""
        places = self._places(provider)
        most = leave_to_others(places)
        if lane is Lane.CRITICAL:
            return max(0, most + places // 4 - held)
        return most - held if most - held >= min(self._least(provider), max(1, most // 4)) else 0

    def availability(self, provider: ProviderRef) -> str:
        """Why a provider takes no mail at all now, `""` when it does."""
        seconds = self._worker_state.rest_seconds(provider)
        return f"throttled: it wants no mail for {seconds:.0f} s" if seconds else ""

    def find_scope(self, load: ProjectLoad, lane: Lane) -> ClaimScope:
        """Projects whose mail can go out now: whose provider is neither paused nor full. Not to domains that are."""
        usable = routes.find_usable(self.availability, lambda provider: self.room(provider, load, lane) > 0)
        projects = {project_id for _, project_id in load.held}
        slow = {queue_key.domain for queue_key in self.slow if queue_key.domain}
        return ClaimScope(
            is_shared_open=usable.is_shared_open,
            open_projects=usable.open_projects,
            closed_projects=usable.closed_projects,
            is_shared_direct=usable.is_shared_direct,
            direct_projects=usable.direct_projects,
            closed_domains={**dict.fromkeys(slow, SLOW_WAIT), **self._worker_state.closed_domains(load.in_flight)},
            closed_senders=self._worker_state.closed_senders.find_current(),
            shared_rooms={
                project: sum(self._project_room(one, load.held[one, project], lane) for one in usable.shared)
                for project in projects
            },
            shared_room=sum(self._project_room(one, 0, lane) for one in usable.shared),
        )

    def choose(
        self, claims: Sequence[Claim], tried: Mapping[UUID, Tried], in_flight: Counter[SendQueueKey]
    ) -> dict[UUID, ProviderSelection]:
        """The ways of claims that have one now. For a domain that takes little at once no more is kept than it will
        take soon: the rest is claimed later, and others' mail before it.
        """
        in_flight = in_flight.copy()
        selections: dict[UUID, ProviderSelection] = {}
        only: dict[Tenant, ProviderSelection] = {}
        for one in claims:
            tenant = Tenant(one.project_id, one.is_simulated)
            # Where there was no choice it is the same for all.
            selection = None if one.recipient_id in tried else only.get(tenant)
            if selection is None:
                selection = routes.choose(
                    one.project_id,
                    is_simulated=one.is_simulated,
                    tried=tried.get(one.recipient_id),
                    availability=self.availability,
                )
                if selection is not None and selection.because == "only" and not selection.skipped:
                    only[tenant] = selection
            if selection is None or not may_leave_by(one, selection.provider):
                continue
            queue_key = self._worker_state.queue_key(selection.provider, one)
            if queue_key.domain and not self._has_place(queue_key, in_flight):
                continue
            in_flight[queue_key] += 1
            selections[one.recipient_id] = selection
        return selections

    def _has_place(self, queue_key: SendQueueKey, in_flight: Mapping[SendQueueKey, int]) -> bool:
        is_closed = queue_key in self.slow or self._worker_state.is_resting(queue_key)
        return not is_closed and in_flight.get(queue_key, 0) < self._worker_state.capacity(queue_key)

    def has_other(self, claim: Claim, reply: Reply, tried: Tried, provider: ProviderRef) -> bool:
        """Whether mail that `provider` did not take goes on to another provider at once. What is wrong with the
        recipient's own server is so for all of them.
        """
        if (
            provider.id is None
            or not is_about_provider(reply)
            or (provider.kind is ProviderKind.MX and not reply.should_pause)
        ):
            return False
        return routes.has_other(claim.project_id, {**tried, provider.id: reply.text}, self.availability)


def count_at(provider: ProviderRef, in_flight: Mapping[SendQueueKey, int]) -> int:
    """How much of the child's work is at a provider."""
    if provider.kind is not ProviderKind.MX:
        return in_flight.get(SendQueueKey(provider), 0)
    return sum(count for queue_key, count in in_flight.items() if queue_key.provider == provider)


# A round is at most as long as there are providers; nobody has more.
MAX_ROUND = 20

# An attempt that was followed by the next one without any wait belongs to the same round.
_ROUND = """
SELECT recipient_id, provider_id, reply, outcome = %(deferred)s AND next_attempt_at = finished_at
FROM mail_attempt
WHERE recipient_id = ANY(%(recipients)s) AND phase = %(done)s
ORDER BY recipient_id, number DESC
"""


def find_tried(claims: Sequence[Claim]) -> Mapping[UUID, Tried]:
    """For each recipient in the middle of a round: the providers tried, each with its reply."""
    later = [claim.recipient_id for claim in claims if claim.number > 1 and not claim.is_simulated]
    if not later:
        return {}
    values = {"recipients": later, "done": Phase.DONE, "deferred": Outcome.DEFERRED}
    rounds: dict[UUID, dict[UUID, str]] = {}
    over: set[UUID] = set()
    for recipient_id, provider_id, reply, goes_on in fetch(_ROUND, values):
        if recipient_id in over:
            continue
        tried = rounds.setdefault(recipient_id, {})
        if not goes_on or len(tried) >= MAX_ROUND:
            over.add(recipient_id)
        elif provider_id is not None:
            tried.setdefault(provider_id, reply)
    return {recipient_id: tried for recipient_id, tried in rounds.items() if tried}


def is_about_provider(reply: Reply) -> bool:
    """Whether a reply tells of the provider and not of this mail: another one may take it, and nobody has it yet."""
    return reply.outcome is Outcome.DEFERRED and not reply.has_reached


def is_failure(reply: Reply) -> bool:
    """Whether a reply is a failure of the provider. Throttling and rejected credentials do not count as failures."""
    if reply.outcome is Outcome.UNCERTAIN:
        return True
    return is_about_provider(reply) and not (reply.should_slow or reply.should_pause)
