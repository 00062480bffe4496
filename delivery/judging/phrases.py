"""Phrases of mail systems and the reasons of rejection that they name.

There are two tables, and the first match wins. Clear phrases count more than any code (a host that writes 5.1.1 beside
"over quota" means the quota). Vague phrases are used only without a meaningful code. Within a table temporary causes
come first: an address becomes invalid only when no milder phrase matches.

Phrases are matched in lower case, without addresses, URLs and codes (`_clean`). Every gap in a pattern is bounded, so
that no text makes a search slow.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from delivery.addresses import ADDRESS_PATTERN
from delivery.judging.about_recipient import ABOUT_RECIPIENT, VAGUELY_ABOUT_RECIPIENT
from delivery.judging.about_us import ABOUT_US, VAGUELY_ABOUT_US
from delivery.judging.elsewhere import ELSEWHERE
from delivery.judging.model import Category
from delivery.judging.terms import Reason

MAX_WORDS = 3_000
# A server says the same to many recipients, and the search takes a millisecond.
MAX_KEPT = 1_000

_NOISE = re.compile(
    # Zoho writes this before every refusal, whatever its reason.
    r"invalid address, error_code"
    # How hosts introduce what another one said.
    r"|\bsmtp error from remote (?:mail )?server after [^:<]{1,40}(?:<[^<>\s]{1,300}>)?:?"
    r"|\bremote (?:mail )?(?:server|host) (?:returned|said|answered|replied)\b"
    r"|(?:https?|ftp)://\S{1,500}|www\.\S{1,300}"
    rf"|<[^<>\s]{{1,300}}>|{ADDRESS_PATTERN}|\b(?:remote )?(?:host|server) (?:\S{{1,300}} )?said:?"
    r"|(?<![\w.])[245]\d\d[ -](?=[245]\.\d{1,3}\.\d{1,3}\b)|(?<![\w.])#?[245]\.\d{1,3}\.\d{1,3}(?![\w.])",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"(?!)")
_SPACE = re.compile(r"[\s_]+")

Pattern = tuple[Reason, re.Pattern[str]]
Rows = Iterable[tuple[Reason, tuple[str, ...]]]


def _compile(*tables: Rows, elsewhere: Mapping[Reason, tuple[str, ...]]) -> tuple[Pattern, ...]:
    """The patterns in their order. Those of other languages stand beside the last ones of the same reason."""
    rows = [row for table in tables for row in table]
    last = {reason: number for number, (reason, _) in enumerate(rows)}
    return tuple(
        (reason, re.compile("|".join(patterns + (elsewhere.get(reason, ()) if last[reason] == number else ()))))
        for number, (reason, patterns) in enumerate(rows)
    )


_PLAIN = _compile(ABOUT_US, ABOUT_RECIPIENT, elsewhere=ELSEWHERE)
_VAGUELY_ABOUT_US = _compile(VAGUELY_ABOUT_US, elsewhere={})
_VAGUE = (*_VAGUELY_ABOUT_US, *_compile(VAGUELY_ABOUT_RECIPIENT, elsewhere={}))
# Words that mean something beside one enhanced code only (without its class).
_BESIDE: Mapping[str, Pattern] = {
    # Exchange Online, for an address that is not in its directory.
    "4.1": (Reason.NO_SUCH_USER, re.compile(r"recipient address rejected|access denied")),
    # Outlook.com, for a mailbox that does not exist.
    "5.0": (Reason.NO_SUCH_USER, re.compile(r"mailbox unavailable")),
}

# PowerMTA names the cause itself.
CATEGORIES: Mapping[str, Category] = {
    "bad-mailbox": Category(Reason.NO_SUCH_USER),
    "bad-domain": Category(Reason.HOST_UNKNOWN),
    "inactive-mailbox": Category(Reason.DISABLED),
    "quota-issues": Category(Reason.MAILBOX_FULL),
    "spam-related": Category(Reason.SPAM),
    "virus-related": Category(Reason.VIRUS),
    "policy-related": Category(Reason.POLICY),
    "content-related": Category(Reason.CONTENT),
    "relaying-issues": Category(Reason.RELAYING),
    "invalid-sender": Category(Reason.SENDER_REJECTED),
    "message-expired": Category(Reason.EXPIRED),
    "no-answer-from-host": Category(Reason.NETWORK),
    "bad-connection": Category(Reason.NETWORK),
    "routing-errors": Category(Reason.NETWORK),
    "bad-configuration": Category(Reason.SYSTEM),
    "protocol-errors": Category(Reason.PROTOCOL),
}


def read_plainly(text: str) -> Reason | None:
    """The reason that a clear phrase names, or None."""
    return _find_plain(_clean(text))


def read_vaguely(text: str) -> Reason | None:
    """The reason that a vague phrase suggests, or None."""
    words = _clean(text)
    return next((reason for reason, pattern in _VAGUE if pattern.search(words)), None)


def read_beside(text: str, enhanced_code: str) -> Reason | None:
    """The reason that words name beside this enhanced code, or None."""
    reason, pattern = _BESIDE.get(enhanced_code[2:], (None, _NOTHING))
    return reason if pattern.search(_clean(text)) else None


def is_neutral(text: str) -> bool:
    """Whether no phrase, not even a vague one, is about the sender, the mail or a fault of the server."""
    words = _clean(text)
    return not any(pattern.search(words) for _, pattern in _VAGUELY_ABOUT_US)


@lru_cache(maxsize=MAX_KEPT)
def _find_plain(words: str) -> Reason | None:
    return next((reason for reason, pattern in _PLAIN if pattern.search(words)), None)


def _clean(text: str) -> str:
    """`text` in lower case and one line, without addresses, URLs, codes and `host … said`."""
    return _SPACE.sub(" ", _NOISE.sub(" ", text[:MAX_WORDS])).strip().lower()
