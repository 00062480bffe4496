"""The stages of a child's work on a recipient (waiting, started, done), and the record of a step of many of them."""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from delivery.envelope import ConversationClock, Reply
from delivery.records import record
from ledger.sql import committed_together, pipelined
from ledger.telemetry.families import ATTEMPTS, HANDOVER_SECONDS, label_provider
from ledger.telemetry.lines import log_line
from ledger.telemetry.spans import claim_span, note_step
from messages.sending.claims import Claim, keep_decisions, send_dots, send_started
from messages.sending.composing import Composer
from messages.sending.outcomes import ENDS_WELL, AttemptResult, suppress_refused
from messages.sending.recording import LockedResults, lock_results, write_results
from messages.sending.simulated_feedback import plan_later
from messages.sending.sources import LARGE_BYTES
from messages.sending.successes.recording import is_success, plan_recording, send_plan
from messages.sending.worker_state import SendQueueKey
from providers.models import ProviderKind
from providers.routing.selection import Tried


@record(frozen=True, slots=True, kw_only=True)
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
    # Another attempt follows when the outcome of this one is unknown.
    may_be_uncertain: bool = False


@record(frozen=True, slots=True, kw_only=True)
class Work:
    """A claim whose attempt has started."""

    claim: Claim
    queue_key: SendQueueKey
    tried: Tried
    begun_at: float
    # Its part of the bytes that the conversation holds, and whether these count for the limit of large mail.
    size: int = 0
    is_large: bool = False
    # The final dot was granted with the start.
    is_ahead: bool = False
    clock: ConversationClock = field(default_factory=ConversationClock)


@record(frozen=True, slots=True, kw_only=True)
class Done:
    """Work with its reply. `has_other_provider`: the reply is a provider failure, and another provider is usable."""

    work: Work
    reply: Reply
    has_other_provider: bool = False


@record(frozen=True, slots=True, kw_only=True)
class Progress:
    """`ours`: the recipients that may continue. `ahead`: those of the beginning that need not ask for the final dot.
    `busy`: work whose rows another transaction has locked.
    """

    ours: set[UUID]
    ahead: set[UUID]
    busy: list[Done]


def bundle(items: Sequence[Waiting]) -> list[list[Waiting]]:
    """Group items by conversation: an ESP takes a message's recipients together, all others take one recipient each.

    Large copies with bytes of their own go one by one, so that they are not in memory together.
    """
    bundles: list[list[Waiting]] = []
    shared: dict[tuple[SendQueueKey, UUID], list[Waiting]] = {}
    for item in items:
        if item.queue_key.provider.kind is not ProviderKind.ESP or (item.has_own_content and item.size > LARGE_BYTES):
            bundles.append([item])
            continue
        key = (item.queue_key, item.claim.message_id)
        if key not in shared:
            bundles.append(shared.setdefault(key, []))
        shared[key].append(item)
    return bundles


def measure(items: Sequence[Waiting]) -> int:
    """The bytes that one conversation holds."""
    return sum(item.size for item in items) if items[0].has_own_content else items[0].size


def write_progress(
    done: Sequence[Done], asking: Sequence[Work], beginning: Sequence[Waiting], ahead: Collection[Waiting] = ()
) -> Progress:
    """Record replies, final dots and started attempts in one transaction. Those of `ahead` get the permit for the final
    dot with the start.

    While the database is unavailable, the caller keeps the replies and retries: the providers have acted on them. It
    also keeps those of rows that somebody else has locked, so that one long lock holds up one mail.
    """
    results = {one.work.claim.recipient_id: describe_result(one) for one in done}
    plan = plan_recording([result for result in results.values() if is_success(result)])
    others = [result for result in results.values() if not is_success(result)]
    # Without others the transaction is the pipeline itself.
    with transaction.atomic() if others else nullcontext():
        locked = lock_results(others) if others else LockedResults(ours={})
        ours = [(result, locked.ours[pk]) for result in others if (pk := result.claim.recipient_id) in locked.ours]
        suppressed = suppress_refused(ours)
        with committed_together():
            write_results(ours, suppressed)
            recorded = send_plan(plan)
            dots = send_dots([work.claim for work in asking], [work.claim for work in asking if work.is_ahead])
            starts = send_started(
                [item.claim for item in beginning],
                [item.queue_key.provider for item in beginning],
                [item.claim for item in ahead],
            )
            keep_decisions({item.claim.attempt_id: item.decision for item in beginning if item.decision})
        plan_later([result for result, _ in ours])
        ages = {**recorded(), **{leased.recipient_id: leased.age_seconds for _, leased in ours}}
        begun: dict[UUID, bool] = dict(starts())
        granted = {recipient_id for (recipient_id,) in dots()}
    count_attempts(done, ages)
    left = [one for one in done if is_success(results[pk := one.work.claim.recipient_id]) and pk not in ages]
    early = {recipient_id for recipient_id, is_granted in begun.items() if is_granted}
    return Progress(
        ours=granted | begun.keys(),
        ahead=early,
        busy=[one for one in done if one.work.claim.recipient_id in locked.busy] + write_rest(left),
    )


def write_rest(done: Sequence[Done]) -> list[Done]:
    """Record replies that the statement for successes has left, and return those whose rows somebody has locked."""
    if not done:
        return []
    with transaction.atomic():
        results = {one.work.claim.recipient_id: describe_result(one) for one in done}
        locked = lock_results(list(results.values()))
        with pipelined():
            write_results([(results[pk], leased) for pk, leased in locked.ours.items()], ())
    count_attempts(done, {pk: leased.age_seconds for pk, leased in locked.ours.items()})
    return [one for one in done if one.work.claim.recipient_id in locked.busy]


def count_attempts(done: Sequence[Done], ages: Mapping[UUID, float]) -> None:
    """Count and log the attempts whose results were recorded: `ages` has their recipients, each with the seconds since
    its message was queued.

    The time to the hand-over is that of mail without a retry.
    """
    for one in done:
        age = ages.get(one.work.claim.recipient_id)
        if age is None:
            continue
        provider, outcome = one.work.queue_key.provider, one.reply.outcome
        name = label_provider(provider.name, is_shared=provider.is_shared)
        ATTEMPTS.add(provider.kind, name, outcome)
        log_attempt(one, name)
        if outcome in ENDS_WELL and one.work.claim.number == 1:
            HANDOVER_SECONDS.observe(age, one.work.claim.lane)


def log_attempt(one: Done, provider: str) -> None:
    """A line by which the ids of an email and its attempt join; the words of the reply are in the database alone."""
    claim, reply = one.work.claim, one.reply
    facts = {
        "email_id": claim.message_id,
        "recipient_id": claim.recipient_id,
        "attempt_id": claim.attempt_id,
        "number": claim.number,
        "lane": claim.lane,
        "provider": provider,
        "kind": one.work.queue_key.provider.kind,
        "outcome": reply.outcome,
        "code": reply.code,
        "enhanced_code": reply.enhanced_code,
        "reason": reply.reason if reply.about else "",
    }
    log_line("attempt", **facts)
    if settings.IS_TRACED:
        parent, has_failed = claim_span(claim.message_id, claim.attempt_id), reply.outcome not in ENDS_WELL
        note_step("attempt", parent, time.monotonic() - one.work.begun_at, has_failed=has_failed, **facts)


def describe_result(done: Done) -> AttemptResult:
    return AttemptResult(
        claim=done.work.claim,
        reply=done.reply,
        provider_name=done.work.queue_key.provider.name,
        has_other_provider=done.has_other_provider,
    )
