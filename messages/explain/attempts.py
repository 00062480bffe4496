"""What a try came to, in words: who answered what, what that means, and why it went by its provider."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from delivery.envelope import Outcome
from messages.explain.context import Background
from messages.explain.providers import SPEAKERS, name_speaker
from messages.explain.status_codes import WAIT, Meaning, find_meaning
from messages.explain.wording import capitalize, end_sentence, quote, say_time
from messages.models import Attempt, Recipient
from messages.states import Phase, Status
from providers.models import ProviderKind
from tracking.models import Event

MAX_ATTEMPTS_EXPLAINED = 5
SEND_AGAIN = "Send it again later."

# What became of it, by outcome: between who answered and when.
TOOK: Mapping[str, str] = {
    Outcome.ACCEPTED: "took it",
    Outcome.DELIVERED: "took it",
    Outcome.DEFERRED: "did not take it for now",
    Outcome.BOUNCED: "refused it for good",
    Outcome.FAILED: "refused it, for a reason that is not the recipient's,",
}
CHOICES: Mapping[str, str] = {
    "only": "the only provider that could be used",
    "priority": "which comes first",
    "weight": "drawn by weight from those that come first",
    "failover": "as the next one",
    "probe": "to see whether it has recovered",
    "again": "once more, as every provider had been tried",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedReply:
    """What the other side said, by whom, and what that means; `meaning` is empty where no table has it."""

    at: datetime
    by: str
    code: int | None
    enhanced_code: str
    reply: str
    meaning: Meaning | None

    @property
    def quoted(self) -> str:
        return quote(self.code, self.enhanced_code, self.reply)


def read_attempt_reply(attempt: Attempt, row: Recipient, background: Background) -> QuotedReply | None:
    """What was answered to a try; None where nobody said anything."""
    if attempt.code is None:
        return None
    return QuotedReply(
        at=attempt.finished_at or attempt.claimed_at,
        by=name_speaker(attempt, background),
        code=attempt.code,
        enhanced_code=attempt.enhanced_code,
        reply=attempt.reply,
        meaning=find_attempt_meaning(attempt, row, background),
    )


def find_attempt_meaning(attempt: Attempt, row: Recipient, background: Background) -> Meaning | None:
    if attempt.outcome in {Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.UNCERTAIN, ""}:
        return None
    is_own = attempt.outcome == Outcome.DEFERRED and row.status == Status.QUEUED
    kind = background.find_kind(attempt)
    # A relay that refuses before it has heard of the mail speaks of itself; later it may pass on what others said.
    server = SPEAKERS[kind] if is_own or kind in {ProviderKind.MX, ProviderKind.INBOX} else "the receiving server"
    return find_meaning(attempt.enhanced_code, attempt.code, server.format(name=attempt.provider_name))


def read_feedback_reply(event: Event) -> QuotedReply | None:
    """What a report or an ESP's event said."""
    code, enhanced_code = event.data.get("code"), str(event.data.get("enhanced_code") or "")
    reply = str(event.data.get("reply") or "")
    if not (code or enhanced_code or reply):
        return None
    return QuotedReply(
        at=event.occurred_at,
        by=name_source(event),
        code=code,
        enhanced_code=enhanced_code,
        reply=reply,
        meaning=None if enhanced_code.startswith("2") else find_meaning(enhanced_code, code),
    )


def name_source(event: Event) -> str:
    """Who told it."""
    source = str(event.data.get("source") or "")
    if source == "report":
        by = event.data.get("reporting_mta")
        return f"a report from {by}" if by else "a report that came by mail"
    if source == ProviderKind.SIMULATOR:
        return SPEAKERS[ProviderKind.SIMULATOR]
    return f'the events of "{source}"' if source else "feedback"


def explain_attempt(attempt: Attempt, row: Recipient, background: Background) -> str:
    """One sentence or two about a try that has ended."""
    at = say_time(attempt.finished_at or attempt.claimed_at)
    last_reply = read_attempt_reply(attempt, row, background)
    if last_reply is None:
        return explain_silence(attempt, background, at)
    did = TOOK.get(attempt.outcome, "answered")
    words = f": {last_reply.meaning.words}" if last_reply.meaning else ""
    return f"{capitalize(last_reply.by)} {did} on {at}{words}. It said: {last_reply.quoted}."


def explain_silence(attempt: Attempt, background: Background, at: str) -> str:
    """A try to which nobody answered: the words are our own."""
    if not attempt.provider_name:
        return end_sentence(attempt.reply)
    by = name_speaker(attempt, background)
    return f"The try with {by} on {at} did not get through: {end_sentence(attempt.reply or 'no answer')}"


def explain_choices(row: Recipient) -> Iterator[str]:
    """Why the last tries went by their providers, where there was a choice."""
    summary = [attempt for attempt in row.shown_attempts if attempt.decision and attempt.phase != Phase.CLAIMED]
    for attempt in summary[-MAX_ATTEMPTS_EXPLAINED:]:
        decision = attempt.decision or {}
        words = CHOICES.get(decision.get("because", ""), "")
        skipped = "; ".join(f'"{each["provider"]}" {describe_skip(each["because"])}' for each in decision["skipped"])
        passed = f", since {skipped}" if skipped else ""
        yield f'Try {attempt.number} went to "{attempt.provider_name}", {words}{passed}.'


# How `providers.routing.selection` begins its reasons, and how that reads behind the provider's name.
SKIPS: Mapping[str, str] = {
    "tried: ": "had just failed",
    "failing: ": "has been failing",
    "paused: ": "is paused",
    "paused": "is paused",
    "throttled: ": "wants less of us",
}


def describe_skip(because: str) -> str:
    for begin, words in SKIPS.items():
        if because.startswith(begin):
            rest = because[len(begin) :]
            return f'{words}: "{rest}"' if rest else words
    return because


def advise(meaning: Meaning | None, default: str = "", *, is_over: bool) -> str:
    """A table's advice, or `default`; what is over is not tried again by itself."""
    if meaning is None:
        return default
    return SEND_AGAIN if is_over and meaning.advice == WAIT else meaning.advice
