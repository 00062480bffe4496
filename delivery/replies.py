"""Parse SMTP replies (RFC 5321, 4.2; RFC 3463) and classify their meaning for a recipient.

The parser trusts no server: a reply is limited in lines and bytes, and malformed input raises `MalformedReplyError`.
`delivery.judging` holds the meanings; `classify` asks it and builds the `Reply`.
"""

import re
from datetime import timedelta
from typing import NamedTuple

from delivery.envelope import Outcome, Reply, Stage
from delivery.judging.judge import judge
from delivery.judging.model import Judgement, Refusal
from delivery.judging.terms import Speaker

MAX_REPLY_BYTES = 16_384
MAX_REPLY_LINES = 128
MAX_TEXT = 1_000
# The stages at which the server replies about this mail.
_ABOUT_THIS_MAIL = {Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT}
# The longest wait that a server may ask for; a longer one is a mistake.
MAX_RETRY_AFTER = timedelta(hours=8)

_LINE = re.compile(rb"([1-5][0-9][0-9])(?:([ -])([^\r\n]*))?(?:\r[^\n]*)?\n")
# IronPort writes `#5.1.0`, others `<5.1.0>` or `[5.1.0]`.
_ENHANCED = re.compile(r"[#<(\[]?([245]\.\d{1,3}\.\d{1,3})[>)\]:;,]?(?=\s|$)\s*")
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
    """Printable text in one line, at most MAX_TEXT characters, without NUL and other control characters.

    Characters that reverse or hide text, such as U+061C and the tags from U+E0001, are not printable either.
    """
    text = raw.decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(each if each.isprintable() else " " for each in text)
        text = " ".join(text.split())
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


def classify(answer: SmtpReply, *, stage: Stage, peer: Peer, is_final: bool) -> Reply:
    """The `Reply` for a server's reply at `stage`. A 2xx to the final dot is success: DELIVERED if the server is the
    recipient's own (`is_final`: its MX, the inbox), else ACCEPTED.
    """
    enhanced_code, text = read_text(answer)
    judgement = judge_reply(stage, answer.code, enhanced_code, text, is_final=is_final)
    return Reply(
        outcome=judgement.outcome,
        stage=stage,
        code=answer.code,
        enhanced_code=enhanced_code,
        text=text,
        remote_host=peer.remote_host,
        tls=peer.tls,
        has_reached=stage in _ABOUT_THIS_MAIL,
        speaker=judgement.speaker,
        reason=judgement.reason,
        about=judgement.about,
        is_for_good=judgement.is_for_good,
        should_slow=judgement.should_slow,
        retry_after=read_retry_after(text) if judgement.outcome is Outcome.DEFERRED else None,
    )


def judge_reply(stage: Stage, code: int, enhanced_code: str, text: str, *, is_final: bool) -> Judgement:
    """The judgement of a reply; a 2xx to the final dot is success. An enhanced code of another class does not count,
    unless it is the milder one.
    """
    speaker = Speaker.SERVER if is_final else Speaker.RELAY
    if stage is Stage.DOT and 200 <= code < 300:
        return Judgement(outcome=Outcome.DELIVERED if is_final else Outcome.ACCEPTED, speaker=speaker)
    is_milder = code >= 500 and enhanced_code.startswith("4.")
    is_fitting = is_milder or enhanced_code[:1] == str(code)[0]
    return judge(
        Refusal(speaker=speaker, stage=stage, code=code, enhanced_code=enhanced_code if is_fitting else "", words=text)
    )
