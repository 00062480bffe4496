"""Which of the due mail may be claimed now, and by which way what was claimed goes out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.conf import settings

from delivery.envelope import Reply
from messages.sending.claims import Claim, Scope
from messages.sending.failover import is_providers
from messages.sending.worker_state import Engine, Track
from providers.models import Kind
from providers.routing.selection import Choice, Tried, Way, routes

# Mail that one child holds for recipients' own servers, begun or not, whatever the number of domains.
MAX_DIRECT = 200


class Router:
    """For one run of the sending loop. `slow` are the tracks that keep the child beyond its time: for them nothing more
    is claimed. `held` is always how much of the child's work is on which track.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.slow: set[Track] = set()

    def room(self, way: Way, held: Mapping[Track, int]) -> int:
        """How many more claims there is a use for; 0 for what is not worth a claim, and for a provider that is slow.
        What goes straight to recipients' servers has a limit for each of these.
        """
        self._engine.take_share(way)
        if way.kind is Kind.MX:
            room = MAX_DIRECT - sum(count for track, count in held.items() if track.way == way)
            return room if room >= settings.SMTP_CONVERSATIONS else 0
        track = Track(way)
        if track in self.slow:
            return 0
        room = self._engine.capacity(track) - held.get(track, 0)
        return room if room >= self._engine.limit(track) else 0

    def judge(self, way: Way) -> str:
        """Why a provider takes no mail at all now, `""` when it does."""
        seconds = self._engine.rest_seconds(way)
        return f"throttled: it wants no mail for {seconds:.0f} s" if seconds else ""

    def find_scope(self, held: Mapping[Track, int]) -> Scope:
        """Projects whose mail can go out now: whose provider is neither paused nor full. Not to domains that are."""
        usable = routes.find_usable(self.judge, lambda way: self.room(way, held) > 0)
        slow = {track.domain for track in self.slow if track.domain}
        return Scope(
            is_shared_open=usable.is_shared_open,
            open_projects=usable.open_projects,
            closed_projects=usable.closed_projects,
            is_shared_direct=usable.is_shared_direct,
            direct_projects=usable.direct_projects,
            closed_domains=[*self._engine.closed_domains(held), *slow],
        )

    def choose(self, claims: Sequence[Claim], tried: Mapping[UUID, Tried], held: Counter[Track]) -> dict[UUID, Choice]:
        """The ways of claims that have one now. For a domain that takes little at once no more is kept than it will
        take soon: the rest is claimed later, and others' mail before it.
        """
        held = held.copy()
        choices: dict[UUID, Choice] = {}
        for one in claims:
            choice = routes.choose(
                one.project_id, is_simulated=one.is_simulated, tried=tried.get(one.recipient_id), judge=self.judge
            )
            if choice is None:
                continue
            track = self._engine.track(choice.way, one)
            if track.domain and not self._has_place(track, held):
                continue
            held[track] += 1
            choices[one.recipient_id] = choice
        return choices

    def _has_place(self, track: Track, held: Mapping[Track, int]) -> bool:
        is_closed = track in self.slow or self._engine.is_resting(track)
        return not is_closed and held.get(track, 0) < self._engine.capacity(track)

    def has_other(self, claim: Claim, reply: Reply, tried: Tried, way: Way) -> bool:
        """Whether mail that `way` did not take goes on to another provider at once. What is wrong with the recipient's
        own server is so for all of them.
        """
        if way.id is None or not is_providers(reply) or (way.kind is Kind.MX and not reply.should_pause):
            return False
        return routes.has_other(claim.project_id, {**tried, way.id: reply.text}, self.judge)
