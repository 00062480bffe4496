"""The one judgement of a refusal, wherever it comes from: a conversation, a bounce mail, an ESP's event.

Words count more than codes, and what is not about the recipient more than what is: servers answer 550 or 5.1.1 for
block lists, failed checks of the sender and full mailboxes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from delivery.envelope import Outcome, Stage
from delivery.judging.codes import name_reply, name_status, name_subject
from delivery.judging.model import Judgement, Refusal
from delivery.judging.phrases import is_neutral, read_beside, read_plainly, read_vaguely
from delivery.judging.rules import HOST_CLOSED, NO_MAIL, PASSING, PROVING, RULES, SLOWING, STAGES, Rule
from delivery.judging.terms import HARD, Reason, Speaker

_OURS = {Speaker.RELAY, Speaker.ESP}
# What servers say of the address before they know it is about somebody else.
_BEFORE_RECIPIENT = {Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.TLS, Stage.AUTH}
# Replies to RCPT repeat the recipient.
_NAMED = re.compile(r"[245]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3} )?<[^<>\s]{1,300}>")
# "Unrouteable address" is Exim's answer to a local part without a mailbox; the others name the recipient.
_OF_RECIPIENT = re.compile(r"unroute?able address|name server\)|\brecipients?\b|<[^<>\s]{1,300}>\.\.\.", re.IGNORECASE)
_PASSED_ON = re.compile(
    r"\bsaid:|\bcall(?:out|forward|ahead)\b|\bresponse (?:to|from)\b|\bremote (?:host|server)\b", re.IGNORECASE
)
_LETTER = re.compile(r"[^\W\d_]")
_NO_MAILBOX = {"1.1", "1.6", "1.10"}
_KNOWS_RECIPIENT = {Stage.RCPT, Stage.DATA, Stage.DOT}
# A relay that asks the recipient's server while it talks to us (an address verification, a callout) quotes it.
_QUOTES = re.compile(
    r"\b(?:remote )?(?:host|server|mx) (?:\S{1,300} )?(?:said|says|returned|responded|replied|answered)\b",
    re.IGNORECASE,
)
_DOUBTFUL = (Reason.SYSTEM, Reason.NETWORK, Reason.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Finding:
    """A reason. `is_proved`: by clear words, a class, or a code that suffices alone."""

    reason: Reason
    is_proved: bool


def judge(refusal: Refusal) -> Judgement:
    """The judgement of one refusal. Pure: the same evidence always has the same judgement."""
    refusal = _name_quoted_speaker(refusal)
    finding = _doubt(_find_reason(refusal), refusal)
    rule = _find_rule(finding.reason, refusal)
    is_temporary = _is_temporary(refusal)
    return Judgement(
        outcome=_find_outcome(rule, finding.reason, refusal, is_temporary=is_temporary),
        speaker=refusal.speaker,
        reason=finding.reason,
        about=rule.about,
        is_for_good=rule.is_for_good and not is_temporary and (finding.is_proved or finding.reason not in HARD),
        should_slow=rule.should_slow or (is_temporary and refusal.enhanced_code[2:] in SLOWING),
    )


def _name_quoted_speaker(refusal: Refusal) -> Refusal:
    """The refusal; it is the recipient's server's where our relay repeats its words, which must not pause the relay."""
    is_quoting = refusal.speaker in _OURS and refusal.stage in _KNOWS_RECIPIENT and _QUOTES.search(refusal.words)
    return replace(refusal, speaker=Speaker.SERVER) if is_quoting else refusal


def _find_reason(refusal: Refusal) -> _Finding:
    """The reason by the strongest evidence."""
    detail = refusal.enhanced_code[2:]
    if plain := read_plainly(refusal.words) or read_beside(refusal.words, refusal.enhanced_code):
        if plain is Reason.DISABLED and detail in _NO_MAILBOX and is_neutral(refusal.words):
            plain = Reason.NO_SUCH_USER
        is_full = plain in HARD and read_plainly(refusal.context) is Reason.MAILBOX_FULL
        return _Finding(Reason.MAILBOX_FULL if is_full else plain, is_proved=True)
    category = refusal.category
    if category and not category.is_vague:
        return _Finding(category.reason, is_proved=True)
    if refusal.code == NO_MAIL:
        return _Finding(Reason.NO_MAIL_SERVICE, is_proved=True)
    if (coded := name_status(refusal.enhanced_code)) and refusal.code != HOST_CLOSED:
        return _Finding(coded, is_proved=detail in PROVING and is_neutral(refusal.words))
    if plain := read_plainly(refusal.context):
        return _Finding(plain, is_proved=True)
    vague = read_vaguely(refusal.words) or read_vaguely(refusal.context)
    if category and (vague is None or vague in HARD):
        return _Finding(category.reason, is_proved=True)
    vague = vague or name_subject(refusal.enhanced_code)
    unknown = Reason.EXPIRED if refusal.is_delayed else Reason.UNKNOWN
    return _Finding(vague or _guess_by_reply(refusal) or unknown, is_proved=False)


def _guess_by_reply(refusal: Refusal) -> Reason | None:
    """The reason that the reply code suggests. Words that nobody understands may mean anything, a block list too."""
    guess = name_reply(refusal.stage, refusal.code or 0)
    is_untold = guess in HARD and refusal.speaker is not Speaker.REPORT and _LETTER.search(refusal.words)
    return None if is_untold else guess


def _doubt(finding: _Finding, refusal: Refusal) -> _Finding:
    """Correct a reason about the address by the stage: before RCPT the server does not know the recipient."""
    if finding.reason not in HARD:
        return finding
    if refusal.stage is Stage.MAIL:
        return _Finding(Reason.SENDER_REJECTED, is_proved=False)
    if refusal.stage in _BEFORE_RECIPIENT:
        return finding if finding.reason is Reason.NO_MAIL_SERVICE else _Finding(Reason.BLOCKED, is_proved=False)
    detail = refusal.enhanced_code[2:]
    if finding.reason is Reason.HOST_UNKNOWN and refusal.code and refusal.speaker is not Speaker.RELAY:
        # The recipient's server replied, so it stands and may speak of our host, unless code or words say otherwise.
        is_of_recipient = detail == "1.2" or detail.startswith("4.") or _OF_RECIPIENT.search(refusal.words)
        return _Finding(finding.reason, is_proved=bool(finding.is_proved and is_of_recipient))
    if finding.reason is not Reason.NO_SUCH_USER or detail.startswith("1.") or refusal.category:
        return finding
    # Some providers say so at the end when the recipient's own filter rejects the mail.
    is_at_odds = refusal.stage is not Stage.RCPT and detail.startswith(("2.", "3."))
    is_nowhere = refusal.stage is None and not finding.is_proved and not _NAMED.search(refusal.words)
    is_filtered = is_at_odds or is_nowhere or refusal.stage is Stage.DOT or (refusal.code or 500) < 500
    return _Finding(Reason.FILTERED, is_proved=False) if is_filtered else finding


def _find_rule(reason: Reason, refusal: Refusal) -> Rule:
    is_ours = refusal.speaker in _OURS
    if refusal.speaker is not Speaker.REPORT and refusal.stage is not None and refusal.code is not None:
        for key in _list_keys(refusal.stage, refusal.code):
            if key in STAGES:
                return STAGES[key][is_ours]
    return RULES[reason][is_ours and not _is_passed_on(refusal)]


def _is_passed_on(refusal: Refusal) -> bool:
    """Whether a relay's refusal is of this mail only: it has read the mail, or it repeats another server's words."""
    return refusal.stage in {Stage.DATA, Stage.DOT} or _PASSED_ON.search(refusal.words) is not None


def _list_keys(stage: Stage, code: int) -> Iterator[str]:
    yield f"{stage} {code}"
    yield f"* {code}"
    yield f"{stage} {code // 100}xx"


def _is_temporary(refusal: Refusal) -> bool:
    """Whether the milder of the two codes is a temporary one."""
    return refusal.is_delayed or refusal.enhanced_code.startswith("4.") or (refusal.code or 500) < 500


def _find_outcome(rule: Rule, reason: Reason, refusal: Refusal, *, is_temporary: bool) -> Outcome:
    if refusal.speaker is Speaker.REPORT:
        return Outcome.DEFERRED if refusal.is_delayed else Outcome.BOUNCED
    if refusal.stage is Stage.DOT and (refusal.code or 500) // 100 in {1, 3}:
        return Outcome.UNCERTAIN
    is_passing = refusal.enhanced_code[2:] in PASSING and reason in _DOUBTFUL
    return Outcome.DEFERRED if is_temporary or is_passing else rule.outcome
