"""Parse SMTP replies (RFC 5321, 4.2; RFC 3463) and classify their meaning for a recipient.

The parser trusts no server: a reply is limited in lines and bytes, and malformed input raises `MalformedReplyError`.
The table `REPLY_VERDICTS` holds the meanings; `classify` looks them up and builds the `Reply`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from delivery.envelope import Outcome, Reply, Stage

MAX_REPLY_BYTES = 16_384
MAX_REPLY_LINES = 128
MAX_TEXT = 1_000
# The longest wait that a server may ask for; a longer one is a mistake.
MAX_RETRY_AFTER = timedelta(hours=8)

_LINE = re.compile(rb"([1-5][0-9][0-9])(?:([ -])([^\r\n]*))?(?:\r[^\n]*)?\n")
# IronPort writes `#5.1.0`, others `<5.1.0>` or `[5.1.0]`.
_ENHANCED = re.compile(r"[#<(\[]?([245]\.\d{1,3}\.\d{1,3})[>)\]:;,]?(?=\s|$)\s*")
# White space, control characters, and characters that reverse or hide text.
_BLANK = re.compile(
    "[^\x21-\x7e\xa1-\u167f\u1681-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ufefe\uff00-\U0010ffff]+"
)
_RETRY_AFTER = re.compile(
    r"(?:again|retry|wait|back|resend)\s+(?:in|after|for|at least)\s+(\d{1,6})\s*([smh])[a-z]{0,6}\b", re.IGNORECASE
)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


class MalformedReplyError(Exception):
    """The other side sent a malformed or endless SMTP reply."""


class SmtpReply(NamedTuple):
    """One raw reply: its code, and the text of its lines, which may be hostile."""

    code: int
    lines: tuple[bytes, ...]


class Peer(NamedTuple):
    """The server that replied, for the attempt's record."""

    remote_host: str = ""
    tls: str = ""


def take_reply(buffer: bytes) -> tuple[SmtpReply, int] | None:
    """The first complete reply in `buffer` and its length in bytes; None while it is incomplete.

    The code of the last line counts, as all lines must have the same (RFC 5321, 4.2.1). Raises MalformedReplyError.
    """
    match = _LINE.match(buffer)
    if match is not None and match[2] != b"-" and match.end() <= MAX_REPLY_BYTES:
        return SmtpReply(int(match[1]), (match[3] or b"",)), match.end()
    return _take_long_reply(buffer)


def _take_long_reply(buffer: bytes) -> tuple[SmtpReply, int] | None:
    lines: list[bytes] = []
    end = 0
    while match := _LINE.match(buffer, end):
        lines.append(match[3] or b"")
        end = match.end()
        if len(lines) > MAX_REPLY_LINES or end > MAX_REPLY_BYTES:
            raise MalformedReplyError("a reply without end")
        if match[2] != b"-":
            return SmtpReply(int(match[1]), tuple(lines)), end
    if buffer.find(b"\n", end) >= 0:
        raise MalformedReplyError("not an SMTP reply: " + clean_text(buffer[end : end + 80]))
    if len(buffer) > MAX_REPLY_BYTES:
        raise MalformedReplyError("a reply without end")
    return None


def clean_text(raw: bytes) -> str:
    """Printable text in one line, at most MAX_TEXT characters, without NUL and other control characters."""
    text = raw.decode("utf-8", "replace")
    if not (text.isascii() and text.isprintable()):
        text = _BLANK.sub(" ", text)
    return text.strip()[:MAX_TEXT]


def read_text(answer: SmtpReply) -> tuple[str, str]:
    """The enhanced code (`""` when there is none), and the text for people, with the code removed from each line."""
    enhanced_code, words = "", []
    for line in answer.lines:
        text = clean_text(line)
        if match := _ENHANCED.match(text):
            enhanced_code = enhanced_code or match[1]
            text = text[match.end() :]
        words.append(text)
    return enhanced_code, " ".join(words).strip()[:MAX_TEXT]


def read_retry_after(text: str) -> timedelta | None:
    """The wait that a server's text asks for (`try again in 300 seconds`), at most MAX_RETRY_AFTER; else None."""
    if match := _RETRY_AFTER.search(text):
        return min(timedelta(**{_UNITS[match[2].lower()]: int(match[1])}), MAX_RETRY_AFTER)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyVerdict:
    """The meaning of a reply, independent of the server."""

    outcome: Outcome
    should_suppress: bool = False
    should_pause: bool = False
    should_slow: bool = False


DEFER = ReplyVerdict(outcome=Outcome.DEFERRED)
SLOW = ReplyVerdict(outcome=Outcome.DEFERRED, should_slow=True)
PAUSE = ReplyVerdict(outcome=Outcome.DEFERRED, should_pause=True)
BOUNCE = ReplyVerdict(outcome=Outcome.BOUNCED)
SUPPRESS = ReplyVerdict(outcome=Outcome.BOUNCED, should_suppress=True)
FAIL = ReplyVerdict(outcome=Outcome.FAILED)
UNCERTAIN = ReplyVerdict(outcome=Outcome.UNCERTAIN)

# Looked up from specific to general: code at any stage (`*`); stage and class; enhanced code and its subject, or
# without one stage and code; code; class. Names of the enhanced codes: RFC 3463 and the IANA registry.
REPLY_VERDICTS: Mapping[str, ReplyVerdict] = {
    "* 421": SLOW,  # the host closes the connection: too many connections, or shutting down
    "* 454": SLOW,  # TLS or authentication temporarily unavailable
    "* 530": PAUSE,  # authentication or STARTTLS required: a fault of our configuration, for all recipients
    "* 535": PAUSE,  # credentials rejected
    "greeting 5xx": SLOW,
    "ehlo 5xx": SLOW,
    "tls 5xx": PAUSE,
    "auth 5xx": PAUSE,
    "5.1.1": SUPPRESS,  # no such mailbox
    "5.1.2": SUPPRESS,  # no such system
    "5.1.3": SUPPRESS,  # bad address syntax
    "5.1.6": SUPPRESS,  # mailbox has moved
    "5.1.10": SUPPRESS,  # null MX (RFC 7505)
    "5.2.1": SUPPRESS,  # mailbox disabled
    "5.1.7": FAIL,  # our sender's address: syntax
    "5.1.8": FAIL,  # our sender's address: domain
    "5.2.2": DEFER,  # mailbox full; the owner may empty it
    "5.3.1": DEFER,  # the system is full
    "5.3.2": DEFER,  # the system does not accept mail now
    "5.3.5": DEFER,  # the system is misconfigured
    "5.3.x": FAIL,  # unspecified (5.3.0), feature not supported, message too big
    "5.4.2": DEFER,  # bad connection
    "5.4.3": DEFER,  # directory server failure
    "5.4.5": SLOW,  # congestion
    "5.4.x": FAIL,  # no route, routing loop, delivery time expired
    "5.5.x": FAIL,  # protocol
    "5.6.x": FAIL,  # content
    "5.7.x": BOUNCE,  # policy: rejected, but the mailbox may be valid
    "4.3.2": SLOW,  # not accepting messages now
    "4.4.5": SLOW,
    "rcpt 550": SUPPRESS,
    "rcpt 552": DEFER,  # mailbox full, or too many recipients (RFC 5321, 4.5.3.1.10)
    "500": FAIL,
    "501": FAIL,
    "502": FAIL,
    "503": FAIL,
    "504": FAIL,
    "552": FAIL,  # the message is too big
    "555": FAIL,
    "4xx": DEFER,
    "5xx": BOUNCE,
    # Replies out of step with the command. Such a server may or may not have accepted a complete message.
    "dot 1xx": UNCERTAIN,
    "dot 3xx": UNCERTAIN,
    "1xx": DEFER,
    "2xx": DEFER,
    "3xx": DEFER,
}
# The server knows the recipient only at these stages; a 5.1.1 to MAIL is about the sender.
_ABOUT_RECIPIENT = {Stage.RCPT, Stage.DATA, Stage.DOT}
_ABOUT_THIS_MAIL = {Stage.MAIL, *_ABOUT_RECIPIENT}


def judge_reply(stage: Stage, code: int, enhanced_code: str) -> ReplyVerdict:
    """The meaning of a rejection (or a reply out of step) at `stage`. The milder of code and enhanced code holds."""
    if code >= 500 and enhanced_code.startswith("4."):
        code = 450
    if enhanced_code[:1] != str(code)[0]:
        enhanced_code = ""
    verdict = next(REPLY_VERDICTS[key] for key in _list_keys(stage, code, enhanced_code) if key in REPLY_VERDICTS)
    if verdict.should_suppress and stage not in _ABOUT_RECIPIENT:
        return replace(verdict, should_suppress=False)
    return verdict


def _list_keys(stage: Stage, code: int, enhanced_code: str) -> Iterator[str]:
    kind = f"{code // 100}xx"
    yield f"* {code}"
    yield f"{stage} {kind}"
    if enhanced_code:
        yield enhanced_code
        yield enhanced_code[:4] + "x"
    else:
        yield f"{stage} {code}"
    yield str(code)
    yield kind


def classify(answer: SmtpReply, *, stage: Stage, peer: Peer, is_final: bool) -> Reply:
    """The `Reply` for a server's reply at `stage`. A 2xx to the final dot is success: DELIVERED if the server is the
    recipient's own (`is_final`: its MX, the inbox), else ACCEPTED.
    """
    enhanced_code, text = read_text(answer)
    if stage is Stage.DOT and 200 <= answer.code < 300:
        verdict = ReplyVerdict(outcome=Outcome.DELIVERED if is_final else Outcome.ACCEPTED)
    else:
        verdict = judge_reply(stage, answer.code, enhanced_code)
    return Reply(
        outcome=verdict.outcome,
        stage=stage,
        code=answer.code,
        enhanced_code=enhanced_code,
        text=text,
        remote_host=peer.remote_host,
        tls=peer.tls,
        has_reached=stage in _ABOUT_THIS_MAIL,
        should_suppress=verdict.should_suppress,
        should_pause=verdict.should_pause,
        should_slow=verdict.should_slow,
        retry_after=read_retry_after(text) if verdict.outcome is Outcome.DEFERRED else None,
    )
