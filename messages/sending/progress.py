"""The stages of a child's work on a recipient (waiting, started, done), and the record of a step of many of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from delivery.envelope import ConversationClock, Reply
from messages.models import Recipient
from messages.sending.claims import Claim, keep_decisions, mark_dot_sent, mark_started
from messages.sending.composing import Composer
from messages.sending.outcomes import AttemptResult, record_results
from messages.sending.simulated_feedback import plan_later
from messages.sending.sources import LARGE_BYTES
from messages.sending.worker_state import SendQueueKey
from messages.transitions import lock_free_recipients
from providers.models import ProviderKind
from providers.routing.selection import Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A claim with a selected provider whose attempt has not started.

    `size` is about the bytes that its copy will hold in memory while it is on its way; with `has_own_content` the
    copies of a message's other recipients are other bytes.
    """

    claim: Claim
    queue_key: SendQueueKey
    composer: Composer
    size: int
    has_own_content: bool
    decision: dict[str, Any] | None
    tried: Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A claim whose attempt has started."""

    claim: Claim
    queue_key: SendQueueKey
    tried: Tried
    begun_at: float
    # Its part of the bytes that the conversation holds, and whether these count for the limit of large mail.
    size: int = 0
    is_large: bool = False
    clock: ConversationClock = field(default_factory=ConversationClock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Work with its reply. `has_other_provider`: the reply is a provider failure, and another provider is usable."""

    work: Work
    reply: Reply
    has_other_provider: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`ours`: the recipients that may continue. `busy`: work whose rows another transaction has locked."""

    ours: set[UUID]
    busy: list[Done]


def bundle(items: Sequence[Waiting]) -> list[list[Waiting]]:
    """Group items by conversation: an ESP takes a message's recipients together, all others take one recipient each.

    Large copies with bytes of their own go one by one, so that they are not in memory together.
    """
    bundles: dict[tuple[SendQueueKey, UUID], list[Waiting]] = {}
    for item in items:
        is_shared = item.queue_key.provider.kind is ProviderKind.ESP and not (
            item.has_own_content and item.size > LARGE_BYTES
        )
        key = (item.queue_key, item.claim.message_id if is_shared else item.claim.recipient_id)
        bundles.setdefault(key, []).append(item)
    return list(bundles.values())


def measure(items: Sequence[Waiting]) -> int:
    """The bytes that one conversation holds."""
    return sum(item.size for item in items) if items[0].has_own_content else items[0].size


def write_progress(done: Sequence[Done], asking: Sequence[Claim], beginning: Sequence[Waiting]) -> Progress:
    """Record replies, final dots and started attempts in one transaction.

    While the database is unavailable, the caller keeps the replies and retries: the providers have acted on them. It
    also keeps those of rows that somebody else has locked, so that one long lock holds up one mail.
    """
    with transaction.atomic():
        free, busy = split_by_locks(done) if done else ([], [])
        if free:
            results = [
                AttemptResult(
                    claim=one.work.claim,
                    reply=one.reply,
                    provider_name=one.work.queue_key.provider.name,
                    has_other_provider=one.has_other_provider,
                )
                for one in free
            ]
            plan_later(results, record_results(results))
        ours = mark_dot_sent(asking) if asking else set()
        if beginning:
            ours |= mark_started([item.claim for item in beginning], [item.queue_key.provider for item in beginning])
            keep_decisions({item.claim.attempt_id: item.decision for item in beginning if item.decision})
        return Progress(ours=ours, busy=busy)


def split_by_locks(done: Sequence[Done]) -> tuple[Sequence[Done], list[Done]]:
    """Lock the rows of `done`. Returns the work whose rows are locked now, and that whose rows another one has locked.

    A row that is gone (an erased address) is in neither.
    """
    ids = [one.work.claim.recipient_id for one in done]
    free = lock_free_recipients(ids)
    if len(free) == len(ids):
        return done, []
    busy = set(Recipient.objects.filter(pk__in=set(ids) - free).values_list("pk", flat=True))
    return (
        [one for one in done if one.work.claim.recipient_id in free],
        [one for one in done if one.work.claim.recipient_id in busy],
    )
