"""Text bounces, first half: detect a bounce message, find the end of its own text, and detect delay warnings.

No host is recognised by name. A mail counts as a bounce when it contains phrases of mail systems (`_ANNOUNCES`) and has
the form of a bounce message: an empty return path, a daemon as sender, or wording that people do not use.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from delivery.judging.codes import find_reply_code

MAX_LINES = 3_000
MAX_LINE = 2_000
MAX_NOTICE = 8_000

# The start of our returned mail, which must not be parsed as the host's text.
_MINE = r"(?:original|returned|unsent|undelivered|bounced|rejected|failed|old)"
_MAIL = r"(?:e-?mail|mail|message)"
_LEAD_IN = r"(?:this|here|below|enclosed|included|attached|below this line|the following)(?: follows)?(?: is|:)?"
_ORIGINAL = re.compile(
    r"[\s>*#|=~.-]*(?:"
    rf"(?:the |your )?{_MINE} {_MAIL}(?: (?:headers?|text|body|info))?"
    rf"|{_MAIL} (?:headers?|text|body)(?= follow)"
    rf"|(?:{_LEAD_IN} )?(?:an? |the )?(?:copy|text|body|headers?)(?: of (?:all )?headers?)? of (?:the |your ){{1,2}}"
    rf"(?:{_MINE} )?{_MAIL}"
    r")(?:,? (?:follows?|is|are|as|including|with|below|attached|enclosed)\b[^<>@]{0,60})?[\s:*#|=~.-]*",
    re.IGNORECASE,
)
_TRACE = re.compile(r"(?:Received|Return-Path):", re.IGNORECASE)
_HEADER = re.compile(
    r"(?:Received|Return-Path|DKIM-Signature|Message-ID|X-[\w-]{1,40}|From|Date|Subject|To|MIME-Version):",
    re.IGNORECASE,
)

# Matched in lower case, with runs of white space as one space.
_ANNOUNCES = re.compile(
    "|".join(
        (
            r"\b(?:could|can|was|were|is|has|have|been|be|not|cannot|couldn't|wasn't|never)(?: ?n[o']t)?(?: be| been)?"
            r" (?:delivered|deliverable)\b",
            r"\bundeliver(?:able|ed)\b|\bnon-?deliver(?:y|able)",
            r"\bdeliver(?:y|ing)?\b.{0,60}\b(?:fail\w*|problem|error|delayed|postponed|suspended|not|impossible"
            r"|unsuccessful|status notification)",
            r"\b(?:fail\w*|unable|problem|error|impossible|not able|wasn't able|trouble|attempt\w*)\b.{0,40}\bdeliver",
            r"\bdid not reach\b|\bcould not be (?:sent|reached|processed)|\bwas not sent\b|\bfailed to send\b",
            r"\bpermanent(?:ly)? (?:fatal |delivery )?(?:error|fail)|\bfatal errors?\b|\btranscript of session",
            r"\b(?:rejected|refused) (?:your|the) (?:message|mail|e-?mail|recipient)|\bautomatically rejected",
            r"\breturned (?:mail|message|to sender)|\breturning (?:message |mail )?to sender|\bunsent message",
            r"\b(?:mail|message) has been returned|\bfail(?:ed|ure) (?:addresses|recipients|reasons?)",
            r"\bfollowing (?:e-?mail )?address(?:es)?\b.{0,40}\b(?:fail|error|problem|not|reject)",
            r"\bnot (?:a )?member\b",
            r"\b(?:user|host) unknown\b|\bno such user\b",
            r"nicht zugestellt|unzustellbar|n'a pas (?:pu )?[eê]t(?:re|é)|non remis|não (?:foi|pôde) (?:ser )?entreg",
            r"no (?:se )?(?:ha )?pud(?:o|ido) (?:ser )?entreg|impossibile (?:recapitare|consegnare)",
            r"не может быть доставлен|не доставлен|недоставлен",
            r"配信できま|送信できま|無法(?:傳送|投遞)|无法(?:投递|送达)|退信",
        )
    )
)
_SUBJECT = re.compile(
    "|".join(
        (
            r"undeliver|returned mail|returning (?:message|mail) to sender|non-?deliver|not delivered|could not send",
            r"mail (?:delivery )?(?:system error|failed|failure|error|warning)|delivery of",
            r"delivery (?:status|fail\w*|notification|report|problem|error|has failed|delayed|warning|not)",
            r"processing error|delayed mail|failure (?:notice|notification)",
            r"message (?:delivery|not delivered|could not)|rejected|loop alert",
            r"warning: (?:message|could not)|nd[nr]:|unzustellbar|non remis|no entregado|недостав",
            r"配信|送信(?:エラー|不能)",
        )
    ),
    re.IGNORECASE,
)
_DAEMON = re.compile(
    r"mailer[-_ ]?daemon|post[-_ ]?master|mail[-_ ]?(?:deliver\w*|system|administrator|daemon|router|server)|<>|\bfml\b"
    r"|delivery[-_ ](?:subsystem|system|agent)|bounce|internet mail service|mdaemon",
    re.IGNORECASE,
)
# Wording that people do not use, even when they write about failed deliveries.
_FORMAL = re.compile(
    r"\b(?:your|this|the) (?:message|mail|e-?mail)\b.{0,120}\b(?:could not|cannot|not) be delivered to\b"
    r"|\b(?:to|reach) the following (?:e-?mail )?(?:user|recipient|address)|\btranscript of session"
)
_DELAYED = re.compile(
    r"this is a warning|warning (?:message )?only|\bhas been (?:delayed|postponed)\b|\bis delayed (?:for|to)\b"
    r"|you do not need to re-?send|please do not re-?send|\bdelivery (?:is |was )?delayed"
    r"|\(delay\)|\bdelayed \d+ (?:hour|day)"
    r"|will (?:keep trying|be retried|retry|continue to (?:try|attempt|be))|delayed mail|temporary failure report"
    r"|\bnot yet been delivered\b|\bdelivery attempts will continue|\bstill being (?:retried|attempted)"
    r"|\btemporary problem delivering|\bzustellung (?:wird |ist )?verzögert|\bweitere zustellversuche"
    r"|\bremise (?:a été )?(?:retardée|différée)|\bentrega (?:se ha )?(?:aplazad|retrasad|adiad|atrasad)"
    r"|доставка (?:\w+ )?(?:отложена|задерж)|配信が遅れ|配送が遅れ|延迟投递|投递延迟"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBounce:
    """The evidence for a bounce: the mail's own text and its headers."""

    notice: str
    subject: str
    sender: str
    is_from_nobody: bool  # an empty return path (RFC 5321, 4.5.5)
    is_returning: bool  # our mail or its headers are enclosed
    is_reply: bool  # marked as an automatic reply (RFC 3834), as both bounces and absence notes are


def is_bounce(bounce: TextBounce) -> bool:
    """Whether the mail is a bounce message, by its phrases and its form."""
    words = " ".join(bounce.notice[:MAX_NOTICE].lower().split())
    has_subject = bool(_SUBJECT.search(bounce.subject))
    has_evidence = bounce.is_returning or find_reply_code(bounce.notice[:MAX_NOTICE]) is not None
    is_daemon = bool(_DAEMON.search(bounce.sender)) or (bounce.is_from_nobody and not bounce.is_reply)
    if not is_daemon and not (has_subject and (has_evidence or _FORMAL.search(words))):
        return False
    if has_subject and (has_evidence or _ANNOUNCES.search(bounce.subject.lower())):
        return True
    return bool(_ANNOUNCES.search(words))


def is_delay(bounce: TextBounce) -> bool:
    """Whether the bounce message only warns of a delay."""
    return bool(_DELAYED.search(" ".join(f"{bounce.subject} {bounce.notice}"[:MAX_NOTICE].lower().split())))


def split_notice(text: str) -> tuple[str, str]:
    """The host's own text, and the returned part of our mail after it."""
    lines = [line[:MAX_LINE] for line in text.split("\n", MAX_LINES)[:MAX_LINES]]
    for number, line in enumerate(lines):
        if number and (_ORIGINAL.fullmatch(line) or _begins_headers(lines, number)):
            return "\n".join(lines[:number]), "\n".join(lines[number:])
    return "\n".join(lines), ""


def unquote(text: str) -> str:
    """A forwarded bounce message without the `> ` before its lines."""
    lines = [line for line in text.split("\n", MAX_LINES)[:MAX_LINES] if line.strip()]
    if sum(line.startswith(">") for line in lines) * 2 < len(lines):
        return text
    return re.sub(r"(?m)^> ?", "", text)


def _begins_headers(lines: Sequence[str], number: int) -> bool:
    """Whether returned mail without an introduction starts here: a trace field, or a blank line and a field, then two
    more fields.
    """
    if not (_TRACE if lines[number - 1].strip() else _HEADER).match(lines[number]):
        return False
    fields = [line for line in lines[number : number + 40] if not line.startswith((" ", "\t"))]
    return len(fields) > 2 and all(_HEADER.match(line) for line in fields[:3])
