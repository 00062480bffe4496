"""Explains waiting recipients: for their time, a worker, a provider, the next attempt, feedback or a person."""

from collections.abc import Mapping
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
from messages.models import Attempt, Message, Pause, Recipient
from messages.pause_models import PauseKind
from messages.pausing.caps import Cap
from messages.states import Phase, Status, StatusReason
from tracking.models import EventType


@dataclass(frozen=True, slots=True)
class Case:
    """A recipient with its message and the background."""

    message: Message
    row: Recipient
    background: Background

    @property
    def last(self) -> Attempt | None:
        return find_last(self.row)

    @property
    def pause(self) -> Pause | None:
        """The pause that has parked the recipient, or will when its turn comes."""
        return self.background.pauses.get(self.row.pk)

    @property
    def is_due(self) -> bool:
        at = self.row.next_attempt_at
        return at is not None and at <= self.background.now


def explain_scheduled(case: Case) -> StateExplanation:
    if case.row.status_reason == StatusReason.APPROVAL:
        return explain_held(case)
    return StateExplanation(
        why="It waits for its scheduled time.",
        next="It is queued and sent.",
        next_at=case.message.scheduled_at,
        advice=("Until then you can cancel or reschedule it.",),
    )


def explain_held(case: Case) -> StateExplanation:
    """Its key needs a person's approval for each mail."""
    at = case.message.scheduled_at
    leaves = f"at its scheduled time, {say_time(at)}," if at and at > case.background.now else "at once"
    return StateExplanation(
        why="It was accepted with a key whose mail waits until a person approves it.",
        next=f"Once it is approved it leaves {leaves}. If nobody approves it by {say_time(case.row.expires_at)}, it is "
        "cancelled.",
        advice=("A person approves or declines it in the admin, which shows the message as it would leave.",),
    )


def explain_leased(case: Case) -> StateExplanation:
    """A worker has leased it."""
    attempt, until = find_current(case.row), case.row.lease_until
    if until is not None and until < case.background.now:
        return StateExplanation(
            why=f"The worker that was sending it has not responded since {say_time(until)}.",
            next="Within seconds another worker claims it, or it is marked as uncertain if it was already sent.",
        )
    after = StateExplanation(
        why="", next="The reply is recorded. If the worker crashes, another one continues within a minute."
    )
    if attempt is None or attempt.phase == Phase.CLAIMED:
        return replace(after, why="A worker has claimed it and is about to send it.")
    speaker = name_speaker(attempt, case.background)
    if attempt.phase == Phase.DOT_SENT:
        return replace(
            after,
            why=f"A worker has sent it to {speaker} and waits for the reply, which may take ten minutes.",
        )
    since = f", since {say_time(attempt.started_at)}" if attempt.started_at else ""
    return replace(after, why=f"A worker is sending it to {speaker}{since}.")


def explain_waiting(case: Case) -> StateExplanation:
    """Queued or delivering, and not leased."""
    if case.row.status_reason == StatusReason.SENDER_SUSPENDED:
        return explain_suspended_sender(case)
    if case.row.status == Status.DELIVERING and case.row.status_reason == StatusReason.UNCERTAIN:
        return explain_uncertain(case)
    pause = case.pause if case.row.next_attempt_at is not None else None
    cap = case.background.cap if case.row.status_reason == StatusReason.CAP else None
    # Mail above a cap goes out on another day, but not while a pause stops it.
    if cap is not None and (pause is None or pause.per_minute is not None):
        return explain_cap(case, cap)
    if pause is not None:
        return explain_pause(case, pause)
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
        return StateExplanation(why="It is in the queue, and a worker will send it at any moment.", next="It is sent.")
    return explain_retry(case, tried)


def explain_suspended_sender(case: Case) -> StateExplanation:
    """Its turn came while the sender's domain was suspended."""
    domain = case.message.from_address.rpartition("@")[2]
    return StateExplanation(
        why=f"The sender's domain {domain} is suspended, because necessary records are missing from its DNS. The mail "
        "waits.",
        next="It is sent when the domain is verified again. If that does not happen by "
        f"{say_time(case.row.expires_at)}, it fails.",
        advice=(f"Publish the records of {domain} again and verify the domain.",),
    )


# What a pause is about, before its value.
PAUSED: Mapping[str, str] = {
    PauseKind.PROJECT: "All mail of the project",
    PauseKind.KEY: "Mail of the key",
    PauseKind.STREAM: "Mail of the stream",
    PauseKind.TEMPLATE: "Mail of the template",
    PauseKind.TAG: "Mail with the tag",
    PauseKind.BATCH: "Mail of the group",
    PauseKind.SENDER_DOMAIN: "Mail from the domain",
    PauseKind.RECIPIENT_DOMAIN: "Mail to the domain",
    PauseKind.MAILBOX_PROVIDER: "Mail to the mailbox provider",
}


def explain_pause(case: Case, pause: Pause) -> StateExplanation:
    """A person or the guard holds it back."""
    subject = f"{PAUSED[pause.kind]} {pause.label or pause.value}".strip()
    kind = " that offers an opt-out" if pause.only_opt_out else ""
    since = f"{say_time(pause.created_at)} by {pause.made_by}"
    reason = f": {end_sentence(pause.reason)}" if pause.reason else "."
    ends = f"If that does not happen by {say_time(case.row.expires_at)}, it fails."
    if pause.per_minute is not None:
        return StateExplanation(
            why=f"{subject} is slowed to {pause.per_minute} bulk mails a minute since {since}{reason}",
            next=f"It is sent when its turn comes. {ends}",
        )
    return StateExplanation(
        why=f"{subject}{kind} is paused since {since}{reason}",
        next=f"It is sent when a person resumes the pause. {ends}",
        advice=("Ask the operator of this service to end the pause, once its cause is gone.",),
        last_reply=find_quoted_reply(case),
    )


def explain_pause_at_expiry(case: Case) -> str:
    """A sentence about the pause that held the mail back when its time was over; empty without one."""
    pause = case.pause
    if pause is None or case.row.expires_at is None or pause.created_at > case.row.expires_at:
        return ""
    subject = f"{PAUSED[pause.kind]} {pause.label or pause.value}".strip()
    held = "paused" if pause.per_minute is None else f"slowed to {pause.per_minute} bulk mails a minute"
    until = f"until {say_time(pause.ended_at)}" if pause.ended_at else "and still is"
    reason = f": {end_sentence(pause.reason)}" if pause.reason else "."
    return f" {subject} was {held} at that time, from {say_time(pause.created_at)} by {pause.made_by}, {until}{reason}"


def explain_cap(case: Case, cap: Cap) -> StateExplanation:
    """The project is new and has sent what it may today."""
    return StateExplanation(
        why=f"The project is new: today it may send {int(cap.cap)} messages, and it has sent {cap.used}. Each day "
        "twice as many are allowed.",
        next=f"It is sent when the next day begins, as far as that day's cap admits it. If that does not happen by "
        f"{say_time(case.row.expires_at)}, it fails.",
        next_at=cap.next_at,
        advice=("Ask the operator of this service for a higher cap, if your mail cannot wait.",),
    )


def explain_attempts(case: Case) -> str:
    """The result of the attempts so far; empty before the first attempt."""
    if case.row.status_reason == StatusReason.SETTLED:
        return "A person decided to retry the uncertain attempt."
    last = case.last
    if last is None or last.phase != Phase.DONE:
        return ""
    count = case.row.attempt_count
    return explain_attempt(last, case.row, case.background) + (f" That was attempt {count}." if count > 1 else "")


def explain_retry(case: Case, tried: str) -> StateExplanation:
    until = case.row.expires_at
    meaning = find_attempt_meaning(case.last, case.row, case.background) if case.last else None
    is_silent = case.last is not None and case.last.code is None and case.row.status_reason == StatusReason.DEFERRED
    name = case.last.provider_name if case.last else ""
    look = f'The service retries by itself. If this continues, check whether "{name}" can be reached.'
    advice = advise(meaning, look if is_silent and name else WAIT, is_over=False)
    return StateExplanation(
        why=tried,
        next="The service retries it" + (f". If it is not accepted by {say_time(until)}, it fails." if until else "."),
        next_at=case.row.next_attempt_at,
        advice=(advice,),
        last_reply=find_quoted_reply(case),
    )


def explain_uncertain(case: Case) -> StateExplanation:
    """It was sent, and the reply was lost."""
    why = f"{explain_broken_connection(case)} So it is unknown whether it was accepted."
    settle = (
        "If you know whether it arrived (ask the recipient, or look into the provider's log), settle it as sent or as "
        "failed."
    )
    if case.row.next_attempt_at is None:
        return StateExplanation(
            why=f"{why} In this case it stays on hold (on_uncertain: hold).",
            next="It stays on hold until feedback arrives or a person settles it, and fails at its expiry time.",
            next_at=case.row.expires_at,
            advice=(settle, "To send it again, although it may arrive twice, settle it as retry."),
        )
    again = StateExplanation(
        why=why,
        next="It is sent again, unless feedback confirms its arrival before. If it did arrive the first time, the "
        "recipient gets it twice.",
        next_at=case.row.next_attempt_at,
        advice=(settle,),
    )
    if case.pause is None or case.pause.per_minute is not None:
        return again
    paused = explain_pause(case, case.pause)
    return replace(again, why=f"{why} {paused.why}", next=paused.next, next_at=None, advice=(settle, *paused.advice))


def explain_broken_connection(case: Case) -> str:
    """A sentence about the lost reply."""
    last = case.last
    if last is None or not last.provider_name:
        return end_sentence(case.row.last_reply or "The reply was lost.")
    at = say_time(last.finished_at or last.claimed_at)
    reply = end_sentence(last.reply or "no reply arrived")
    return f"It was sent to {name_speaker(last, case.background)}, but no reply had arrived by {at}: {reply}"


def explain_delaying(case: Case) -> StateExplanation:
    """The provider accepted it and retries by itself."""
    event = case.background.find_event(case.row, EventType.DELIVERING)
    by = name_source(event) if event else "the provider"
    last_reply = read_feedback_reply(event) if event else None
    words = f" {capitalize(last_reply.meaning.words)}." if last_reply and last_reply.meaning else ""
    quoted = f" Reply: {last_reply.quoted}." if last_reply and last_reply.quoted else ""
    at = f" on {say_time(event.occurred_at)}" if event else ""
    taken = explain_taken(case)
    return StateExplanation(
        why=f"{taken}{capitalize(by)} stated{at} that it could not deliver it yet.{words}{quoted}",
        next="The provider retries by itself and reports the result; this service makes no further attempt.",
        advice=("Nothing: wait for the provider.",),
        last_reply=last_reply,
    )


def explain_taken(case: Case) -> str:
    """A sentence about the provider's acceptance, followed by a space; empty if there was none."""
    took = find_acceptance(case)
    if took is None or took.finished_at is None:
        return ""
    speaker = name_speaker(took, case.background)
    return f"{capitalize(speaker)} accepted it on {say_time(took.finished_at)}. "


def find_acceptance(case: Case) -> Attempt | None:
    """The attempt in which the provider or the recipient's server accepted the message."""
    took = {Outcome.ACCEPTED, Outcome.DELIVERED}
    return next((attempt for attempt in reversed(case.row.shown_attempts) if attempt.outcome in took), None)


def find_quoted_reply(case: Case) -> QuotedReply | None:
    return read_attempt_reply(case.last, case.row, case.background) if case.last else None
