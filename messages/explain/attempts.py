"""Sentences about attempts: the reply and its meaning, and the reason for the provider."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from delivery.envelope import Outcome
from delivery.judging.terms import About
from messages.explain.context import Background
from messages.explain.providers import SPEAKERS, name_speaker
from messages.explain.status_codes import WAIT, Meaning, find_meaning
from messages.explain.wording import capitalize, end_sentence, quote, say_time
from messages.models import Attempt, Recipient
from messages.states import Phase, Status
from providers.models import ProviderKind
from tracking.models import Event

MAX_ATTEMPTS_EXPLAINED = 5
SEND_AGAIN = "Resend it later."

# The verb for each outcome. It stands between the speaker and the time.
TOOK: Mapping[str, str] = {
    Outcome.ACCEPTED: "accepted it",
    Outcome.DELIVERED: "accepted it",
    Outcome.DEFERRED: "deferred it",
    Outcome.BOUNCED: "rejected it permanently",
    Outcome.FAILED: "rejected it, for a reason that does not concern the recipient,",
}
CHOICES: Mapping[str, str] = {
    "only": "the only usable provider",
    "priority": "the first by priority",
    "weight": "drawn by weight among the first by priority",
    "failover": "the next provider",
    "probe": "to test whether it has recovered",
    "again": "again, because all providers had been tried",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedReply:
    """A reply, its time, its speaker and its meaning. `meaning` is None where no table has it. `reason` and `about`
    are the judgement of a refusal, else empty.
    """

    at: datetime
    by: str
    code: int | None
    enhanced_code: str
    reply: str
    meaning: Meaning | None
    reason: str = ""
    about: str = ""

    @property
    def quoted(self) -> str:
        return quote(self.code, self.enhanced_code, self.reply)


def read_attempt_reply(attempt: Attempt, row: Recipient, background: Background) -> QuotedReply | None:
    """The reply to an attempt; None for an attempt without a reply."""
    if attempt.code is None:
        return None
    return QuotedReply(
        at=attempt.finished_at or attempt.claimed_at,
        by=name_speaker(attempt, background),
        code=attempt.code,
        enhanced_code=attempt.enhanced_code,
        reply=attempt.reply,
        meaning=find_attempt_meaning(attempt, row, background),
        reason=attempt.reason,
        about=attempt.about,
    )


def find_attempt_meaning(attempt: Attempt, row: Recipient, background: Background) -> Meaning | None:
    if attempt.outcome in {Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.UNCERTAIN, ""}:
        return None
    is_own = attempt.about == About.PROVIDER or (attempt.outcome == Outcome.DEFERRED and row.status == Status.QUEUED)
    kind = background.find_kind(attempt)
    # A relay's reply before the recipient is named concerns the relay. A later one may repeat another server's reply.
    server = SPEAKERS[kind] if is_own or kind in {ProviderKind.MX, ProviderKind.INBOX} else "the receiving server"
    name = server.format(name=attempt.provider_name)
    return find_meaning(attempt.enhanced_code, attempt.code, name, attempt.reason, about=attempt.about)


def read_feedback_reply(event: Event) -> QuotedReply | None:
    """The reply that a report or an ESP's event quotes; None if it quotes nothing."""
    code, enhanced_code = event.data.get("code"), str(event.data.get("enhanced_code") or "")
    reply, reason = str(event.data.get("reply") or ""), str(event.data.get("reason") or "")
    if not (code or enhanced_code or reply):
        return None
    return QuotedReply(
        at=event.occurred_at,
        by=name_source(event),
        code=code,
        enhanced_code=enhanced_code,
        reply=reply,
        meaning=None if enhanced_code.startswith("2") else find_meaning(enhanced_code, code, reason=reason),
        reason=reason,
        about=str(event.data.get("about") or ""),
    )


def name_source(event: Event) -> str:
    """The source of feedback, in words."""
    source = str(event.data.get("source") or "")
    if source == "report":
        by = event.data.get("reporting_mta")
        return f"a report from {by}" if by else "a report by mail"
    if source == ProviderKind.SIMULATOR:
        return SPEAKERS[ProviderKind.SIMULATOR]
    return f'the events of "{source}"' if source else "feedback"


def explain_attempt(attempt: Attempt, row: Recipient, background: Background) -> str:
    """One or two sentences about a finished attempt."""
    at = say_time(attempt.finished_at or attempt.claimed_at)
    last_reply = read_attempt_reply(attempt, row, background)
    if last_reply is None:
        return explain_silence(attempt, background, at)
    did = TOOK.get(attempt.outcome, "replied")
    words = f": {last_reply.meaning.words}" if last_reply.meaning else ""
    return f"{capitalize(last_reply.by)} {did} on {at}{words}. Reply: {last_reply.quoted}."


def explain_silence(attempt: Attempt, background: Background, at: str) -> str:
    """One sentence about an attempt without a reply."""
    if not attempt.provider_name:
        return end_sentence(attempt.reply)
    by = name_speaker(attempt, background)
    return f"The attempt with {by} on {at} got no reply: {end_sentence(attempt.reply or 'no cause is known')}"


def explain_choices(row: Recipient) -> Iterator[str]:
    """The reasons for the providers of the last attempts, where there was a choice."""
    summary = [attempt for attempt in row.shown_attempts if attempt.decision and attempt.phase != Phase.CLAIMED]
    for attempt in summary[-MAX_ATTEMPTS_EXPLAINED:]:
        decision = attempt.decision or {}
        words = CHOICES.get(decision.get("because", ""), "")
        skipped = "; ".join(f'"{each["provider"]}" {describe_skip(each["because"])}' for each in decision["skipped"])
        passed = f", because {skipped}" if skipped else ""
        yield f'Attempt {attempt.number} used "{attempt.provider_name}", {words}{passed}.'


# From the prefixes of the reasons in `providers.routing.selection` to the words behind the provider's name.
SKIPS: Mapping[str, str] = {
    "tried: ": "had just failed",
    "failing: ": "was failing",
    "paused: ": "was paused",
    "paused": "was paused",
    "throttled: ": "was throttling",
}


def describe_skip(because: str) -> str:
    for begin, words in SKIPS.items():
        if because.startswith(begin):
            rest = because[len(begin) :]
            return f'{words}: "{rest}"' if rest else words
    return because


def advise(meaning: Meaning | None, default: str = "", *, is_over: bool) -> str:
    """The advice for a meaning, else `default`. If the attempts are over, "wait" becomes "resend"."""
    if meaning is None:
        return default
    return SEND_AGAIN if is_over and meaning.advice == WAIT else meaning.advice
