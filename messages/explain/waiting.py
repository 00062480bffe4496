"""Why a recipient waits: for its time, a worker, a provider, the next try, feedback or a person."""

from dataclasses import dataclass, replace

from delivery.envelope import Outcome
from messages.explain.attempts import (
    QuotedReply,
    advise,
    explain_attempt,
    find_attempt_meaning,
    name_source,
    read_attempt_reply,
    read_feedback_reply,
)
from messages.explain.context import Background, find_current, find_last
from messages.explain.model import StateExplanation
from messages.explain.providers import find_block, name_speaker
from messages.explain.status_codes import WAIT
from messages.explain.wording import capitalize, end_sentence, say_time
from messages.models import Attempt, Message, Recipient
from messages.states import Phase, Status, StatusReason
from tracking.models import EventType


@dataclass(frozen=True, slots=True)
class Case:
    """A recipient with all that is known of it."""

    message: Message
    row: Recipient
    background: Background

    @property
    def last(self) -> Attempt | None:
        return find_last(self.row)

    @property
    def is_due(self) -> bool:
        at = self.row.next_attempt_at
        return at is not None and at <= self.background.now


def explain_scheduled(case: Case) -> StateExplanation:
    return StateExplanation(
        why="It waits for its time.",
        next="It is queued, and sent at once.",
        next_at=case.message.scheduled_at,
        advice=("Until then it can be cancelled or given another time.",),
    )


def explain_leased(case: Case) -> StateExplanation:
    """A worker has it."""
    attempt, until = find_current(case.row), case.row.lease_until
    if until is not None and until < case.background.now:
        return StateExplanation(
            why=f"The worker that was sending it has not been heard of since {say_time(until)}.",
            next="Within seconds it is given to another worker, or marked as uncertain if it was sent already.",
        )
    after = StateExplanation(
        why="", next="The answer is recorded. Should the worker die, another one sees to it within a minute."
    )
    if attempt is None or attempt.phase == Phase.CLAIMED:
        return replace(after, why="A worker has taken it from the queue and is about to send it.")
    speaker = name_speaker(attempt, case.background)
    if attempt.phase == Phase.DOT_SENT:
        return replace(
            after,
            why=f"A worker has sent it to {speaker} and waits for the answer, which may take ten minutes.",
        )
    since = f", since {say_time(attempt.started_at)}" if attempt.started_at else ""
    return replace(after, why=f"A worker is sending it to {speaker}{since}.")


def explain_waiting(case: Case) -> StateExplanation:
    """Queued or delivering, and nobody has it just now."""
    if case.row.status == Status.DELIVERING and case.row.status_reason == StatusReason.UNCERTAIN:
        return explain_uncertain(case)
    if case.row.next_attempt_at is None:
        return explain_delaying(case)
    block = find_block(case.row, case.background) if case.is_due else None
    tried = explain_attempts(case)
    if block is not None:
        return StateExplanation(
            why=f"{tried} {block.why}".strip(),
            next=block.next,
            next_at=block.next_at,
            advice=(block.advice,) if block.advice else (),
            last_reply=find_quoted_reply(case),
        )
    if not tried:
        return StateExplanation(why="It is in the queue, and a worker takes it at any moment.", next="It is sent.")
    return explain_retry(case, tried)


def explain_attempts(case: Case) -> str:
    """What has come of it so far; empty before the first try."""
    if case.row.status_reason == StatusReason.SETTLED:
        return "A person had the uncertain attempt tried again."
    last = case.last
    if last is None or last.phase != Phase.DONE:
        return ""
    count = case.row.attempt_count
    return explain_attempt(last, case.row, case.background) + (f" That was try {count}." if count > 1 else "")


def explain_retry(case: Case, tried: str) -> StateExplanation:
    until = case.row.expires_at
    meaning = find_attempt_meaning(case.last, case.row, case.background) if case.last else None
    is_silent = case.last is not None and case.last.code is None and case.row.status_reason == StatusReason.DEFERRED
    name = case.last.provider_name if case.last else ""
    look = f'It is tried again by itself. If this goes on, look at whether "{name}" can be reached.'
    advice = advise(meaning, look if is_silent and name else WAIT, is_over=False)
    return StateExplanation(
        why=tried,
        next="It is tried again" + (f", and given up if nobody has taken it by {say_time(until)}." if until else "."),
        next_at=case.row.next_attempt_at,
        advice=(advice,),
        last_reply=find_quoted_reply(case),
    )


def explain_uncertain(case: Case) -> StateExplanation:
    """It was sent, and no answer was heard."""
    why = f"{explain_broken_connection(case)} So nobody knows whether it was taken."
    settle = (
        "If you know whether it arrived (ask the recipient, or look into the provider's log), settle it as sent or as "
        "failed."
    )
    if case.row.next_attempt_at is None:
        return StateExplanation(
            why=f"{why} It asked to be held then (on_uncertain: hold).",
            next="It is held until feedback comes or a person settles it; then it is given up.",
            next_at=case.row.expires_at,
            advice=(settle, "To send it again although it may arrive twice, settle it as retry."),
        )
    return StateExplanation(
        why=why,
        next="It is sent again, unless feedback tells before that it arrived. If it did arrive the first time, the "
        "recipient gets it twice.",
        next_at=case.row.next_attempt_at,
        advice=(settle,),
    )


def explain_broken_connection(case: Case) -> str:
    """What came between the mail and its answer."""
    last = case.last
    if last is None or not last.provider_name:
        return end_sentence(case.row.last_reply or "The answer was lost.")
    at = say_time(last.finished_at or last.claimed_at)
    reply = end_sentence(last.reply or "no answer came")
    return f"It was sent to {name_speaker(last, case.background)}, and its answer was not heard by {at}: {reply}"


def explain_delaying(case: Case) -> StateExplanation:
    """The provider has it and tries on."""
    event = case.background.find_event(case.row, EventType.DELIVERING)
    by = name_source(event) if event else "the provider"
    last_reply = read_feedback_reply(event) if event else None
    words = f" {capitalize(last_reply.meaning.words)}." if last_reply and last_reply.meaning else ""
    quoted = f" It said: {last_reply.quoted}." if last_reply and last_reply.quoted else ""
    at = f" on {say_time(event.occurred_at)}" if event else ""
    taken = explain_taken(case)
    return StateExplanation(
        why=f"{taken}{capitalize(by)} told{at} that it could not deliver it yet.{words}{quoted}",
        next="The provider tries on by itself and tells what comes of it; this service sends nothing more.",
        advice=("Nothing: wait for the provider.",),
        last_reply=last_reply,
    )


def explain_taken(case: Case) -> str:
    """That a provider had taken it, as the begin of what happened to it then."""
    took = find_acceptance(case)
    if took is None or took.finished_at is None:
        return ""
    speaker = name_speaker(took, case.background)
    return f"{capitalize(speaker)} took it on {say_time(took.finished_at)}. "


def find_acceptance(case: Case) -> Attempt | None:
    """The try by which the other side has the mail."""
    took = {Outcome.ACCEPTED, Outcome.DELIVERED}
    return next((attempt for attempt in reversed(case.row.shown_attempts) if attempt.outcome in took), None)


def find_quoted_reply(case: Case) -> QuotedReply | None:
    return read_attempt_reply(case.last, case.row, case.background) if case.last else None
