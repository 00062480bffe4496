"""Which of the due mail may be claimed now, and by which way what was claimed goes out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings

from delivery.envelope import Outcome, Reply
from ledger.sql import fetch
from messages.sending.claims import Claim, ClaimScope
from messages.sending.senders import may_leave_by
from messages.sending.worker_state import SendQueueKey, WorkerState
from messages.states import Phase
from providers.models import ProviderKind
from providers.routing.selection import ProviderRef, ProviderSelection, Tried, routes

# Mail that one child holds for recipients' own servers, begun or not, whatever the number of domains.
MAX_DIRECT = 200
# A domain's server that is slow to reply may be so for minutes.
SLOW_WAIT = timedelta(seconds=5)


class ProviderRouter:
    """For one run of the sending loop. `slow` are the tracks that keep the child beyond its time: for them nothing more
    is claimed. `in_flight` is always how much of the child's work is on which track.
    """

    def __init__(self, worker_state: WorkerState) -> None:
        self._worker_state = worker_state
        self.slow: set[SendQueueKey] = set()

    def room(self, provider: ProviderRef, in_flight: Mapping[SendQueueKey, int]) -> int:
        """How many more claims there is a use for; 0 for what is not worth a claim, and for a provider that is slow.
        What goes straight to recipients' servers has a limit for each of these.
        """
        self._worker_state.take_share(provider)
        if provider.kind is ProviderKind.MX:
            room = MAX_DIRECT - sum(count for queue_key, count in in_flight.items() if queue_key.provider == provider)
            return room if room >= settings.SMTP_CONVERSATIONS else 0
        queue_key = SendQueueKey(provider)
        if queue_key in self.slow:
            return 0
        room = self._worker_state.capacity(queue_key) - in_flight.get(queue_key, 0)
        return room if room >= self._worker_state.limit(queue_key) else 0

    def availability(self, provider: ProviderRef) -> str:
        """Why a provider takes no mail at all now, `""` when it does."""
        seconds = self._worker_state.rest_seconds(provider)
        return f"throttled: it wants no mail for {seconds:.0f} s" if seconds else ""

    def find_scope(self, in_flight: Mapping[SendQueueKey, int]) -> ClaimScope:
        """Projects whose mail can go out now: whose provider is neither paused nor full. Not to domains that are."""
        usable = routes.find_usable(self.availability, lambda provider: self.room(provider, in_flight) > 0)
        slow = {queue_key.domain for queue_key in self.slow if queue_key.domain}
        return ClaimScope(
            is_shared_open=usable.is_shared_open,
            open_projects=usable.open_projects,
            closed_projects=usable.closed_projects,
            is_shared_direct=usable.is_shared_direct,
            direct_projects=usable.direct_projects,
            closed_domains={**dict.fromkeys(slow, SLOW_WAIT), **self._worker_state.closed_domains(in_flight)},
            closed_senders=self._worker_state.closed_senders.find_current(),
        )

    def choose(
        self, claims: Sequence[Claim], tried: Mapping[UUID, Tried], in_flight: Counter[SendQueueKey]
    ) -> dict[UUID, ProviderSelection]:
        """The ways of claims that have one now. For a domain that takes little at once no more is kept than it will
        take soon: the rest is claimed later, and others' mail before it.
        """
        in_flight = in_flight.copy()
        selections: dict[UUID, ProviderSelection] = {}
        for one in claims:
            selection = routes.choose(
                one.project_id,
                is_simulated=one.is_simulated,
                tried=tried.get(one.recipient_id),
                availability=self.availability,
            )
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
