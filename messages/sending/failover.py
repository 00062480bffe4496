"""What a message's recipients have tried in this round: a provider that failed is left for the next one at once."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from delivery.envelope import Outcome, Reply
from ledger.sql import fetch
from messages.sending.claims import Claim
from messages.states import Phase
from providers.routing.selection import Tried

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
    """For each recipient in the middle of a round: the providers that were tried, and what they said."""
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
    """Whether a reply is a failure of the provider. That it wants less of us, or no such credentials, is none."""
    if reply.outcome is Outcome.UNCERTAIN:
        return True
    return is_about_provider(reply) and not (reply.should_slow or reply.should_pause)
