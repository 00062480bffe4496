"""What an ESP's HTTP answer means for mail: tables from status and words to outcomes.

A refusal of ours (credentials, address of the API) pauses the provider and harms no mail; one of a sender's domain puts
the mail off, since somebody may verify the domain there; what throttles slows down; what is broken is put off.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from delivery.envelope import Outcome, Reply, Stage
from delivery.http_client import HttpResult
from delivery.judging.model import Judgement
from delivery.judging.terms import About, Reason, Speaker
from delivery.mail_dates import read_mail_date
from delivery.replies import MAX_RETRY_AFTER, clean_text

MAX_READ = 4_000


def _judge(outcome: Outcome, about: About | None = None, reason: Reason = Reason.UNKNOWN) -> Judgement:
    return Judgement(outcome=outcome, speaker=Speaker.ESP, about=about, reason=reason)


ACCEPT = _judge(Outcome.ACCEPTED)
UNCERTAIN = _judge(Outcome.UNCERTAIN)
DEFER = _judge(Outcome.DEFERRED, About.PROVIDER, Reason.SYSTEM)
SLOW = replace(_judge(Outcome.DEFERRED, About.PROVIDER, Reason.TOO_MANY), should_slow=True)
PAUSE = replace(_judge(Outcome.DEFERRED, About.PROVIDER, Reason.LOGIN), is_for_good=True)
FAIL = _judge(Outcome.FAILED, About.MESSAGE, Reason.CONTENT)
BOUNCE = _judge(Outcome.BOUNCED, About.RECIPIENT, Reason.FILTERED)
# Put off without blame for the provider: the next try may find the sender known there.
SENDER = _judge(Outcome.DEFERRED, About.IDENTITY, Reason.SENDER_REJECTED)

BY_STATUS: Mapping[str, Judgement] = {
    "301": PAUSE,  # the API is elsewhere: api_url is wrong
    "302": PAUSE,
    "307": PAUSE,
    "308": PAUSE,
    "401": PAUSE,
    "402": PAUSE,  # the bill
    "403": PAUSE,
    "404": PAUSE,
    "405": PAUSE,
    "408": DEFER,
    "409": DEFER,  # the same request is under way
    "410": PAUSE,
    "425": DEFER,
    "429": SLOW,
    "503": SLOW,
    # The gateway gave up waiting for what is behind it, which may well have taken the mail.
    "504": UNCERTAIN,
    "4xx": FAIL,
    "5xx": DEFER,
    # Out of step with what was asked.
    "1xx": UNCERTAIN,
    "2xx": UNCERTAIN,
    "3xx": PAUSE,
}
# What 4xx says in words; the first that fits holds before the status. ESPs use one status for all of these.
_SOME_ADDRESS = (
    r"(?:recipient|e-?mail address|email domain|['\"`.](?:to|cc|bcc)\b|\b(?:to|cc|bcc) (?:field|address|parameter))"
)
BY_WORDS: Sequence[tuple[re.Pattern[str], Judgement]] = [
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), judgement)
    for pattern, judgement in (
        (r"concurrent.{0,20}idempoten", DEFER),
        (r"idempoten.{0,80}(?:already|used|duplicate)|duplicate.{0,40}idempoten|invalid_idempotent_request", ACCEPT),
        (r"restricted_api_key|invalid api key|api key is invalid", PAUSE),
        (r"(?:account|sending|server).{0,60}(?:suspended|paused|disabled|inactive|blocked)", PAUSE),
        (r"not.?enough.?credits|insufficient credits|payment required", PAUSE),
        (r"throttl|too many requests|rate.?(?:limit )?exceeded|maximum sending rate|quota", SLOW),
        (
            r"(?:domain|identit|sender|from\b|signature).{0,120}"
            r"(?:not (?:been )?(?:verified|validated|found|allowed|confirmed|authori[sz]ed|exist|match|active)"
            r"|unverified|not valid|unconfigured)"
            r"|not verified|unknown sender|mailfromdomainnotverified|verified sender",
            SENDER,
        ),
        (rf"(?:invalid|illegal|error parsing|not a valid|malformed|must be a valid).{{0,40}}{_SOME_ADDRESS}", BOUNCE),
        (rf"{_SOME_ADDRESS}.{{0,40}}(?:invalid|illegal|not (?:a )?valid|malformed|must be a valid|inactive)", BOUNCE),
    )
]
# A sender's address may be wrong too: that is nothing about the recipient.
_OF_SENDER = re.compile(r"(?:\bfrom\b|sender|reply.?to)", re.IGNORECASE)

# django-anymail's word for one recipient of a call that was taken.
BY_RECIPIENT: Mapping[str, Judgement] = {
    "sent": ACCEPT,
    "queued": ACCEPT,
    # Taken; who of them was left out, events will tell.
    "unknown": ACCEPT,
    "invalid": BOUNCE,
    # On the ESP's own list of addresses that bounced or complained.
    "rejected": BOUNCE,
    "failed": FAIL,
}


def judge_http_result(answer: HttpResult) -> Judgement:
    """What an answer means that does not say that the mail was taken."""
    if 400 <= answer.status < 500 and answer.status not in {401, 429}:
        text = answer.text[:MAX_READ]
        is_about_mail = answer.status in {400, 422} and not _OF_SENDER.search(text)
        for pattern, judgement in BY_WORDS:
            if pattern.search(text) and (judgement is not BOUNCE or is_about_mail):
                return judgement
    found = BY_STATUS.get(str(answer.status)) or BY_STATUS.get(f"{answer.status // 100}xx")
    return found or UNCERTAIN


def build_reply(
    judgement: Judgement, answer: HttpResult, *, text: str = "", remote_id: str = "", remote_host: str = ""
) -> Reply:
    """The reply for one recipient. What blames the provider has not reached the mail, which may go another way."""
    is_providers = judgement.outcome is Outcome.DEFERRED and judgement is not SENDER
    return Reply(
        outcome=judgement.outcome,
        stage=Stage.DOT,
        code=answer.status,
        text=text or describe_http_result(answer),
        remote_host=remote_host,
        has_reached=not is_providers,
        speaker=judgement.speaker,
        reason=judgement.reason,
        about=judgement.about,
        is_for_good=judgement.is_for_good,
        should_slow=judgement.should_slow,
        retry_after=read_retry_after(answer.headers) if judgement.outcome is Outcome.DEFERRED else None,
        remote_id=remote_id,
    )


def read_retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """What `Retry-After` asks for (RFC 9110, 10.2.3), in seconds or as a date, at most MAX_RETRY_AFTER."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:8])), MAX_RETRY_AFTER)
    moment = read_mail_date(text)
    if moment is None:
        return None
    wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(wait, timedelta(0)), MAX_RETRY_AFTER)


# Where ESPs put the sentence that people should read.
_SENTENCES = (
    "message",
    "Message",
    "ErrorMessage",
    "detail",
    "description",
    "error",
    "title",
    "errors",
    "Messages",
    "Errors",
)


def describe_http_result(answer: HttpResult) -> str:
    """What the ESP said, for people."""
    try:
        told = find_sentence(json.loads(answer.body))
    except (ValueError, RecursionError):
        told = ""
    return clean_text((told or answer.text[:500]).encode("utf-8", "replace")) or f"HTTP {answer.status}"


def find_sentence(told: Any, depth: int = 4) -> str:
    if isinstance(told, str):
        return told
    if depth and isinstance(told, list) and told:
        return find_sentence(told[0], depth - 1)
    if depth and isinstance(told, dict):
        for name in _SENTENCES:
            if found := find_sentence(told.get(name), depth - 1):
                return found
    return ""
