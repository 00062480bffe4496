"""Phrases of mail systems and the reasons of rejection that they name.

There are two tables, and the first match wins. Clear phrases count more than any code (a host that writes 5.1.1 beside
"over quota" means the quota). Vague phrases are used only without a meaningful code. Within a table temporary causes
come first: an address becomes invalid only when no milder phrase matches.

Phrases are matched in lower case, without addresses, URLs and codes (`_clean`). Every gap in a pattern is bounded, so
that no text makes a search slow.
"""

import re
from collections.abc import Iterable, Mapping

from delivery.addresses import ADDRESS_PATTERN
from delivery.judging.about_recipient import ABOUT_RECIPIENT, VAGUELY_ABOUT_RECIPIENT
from delivery.judging.about_us import ABOUT_US, VAGUELY_ABOUT_US
from delivery.judging.model import Category
from delivery.judging.terms import Reason

MAX_WORDS = 3_000

_NOISE = re.compile(
    r"(?:https?|ftp)://\S{1,500}|www\.\S{1,300}"
    rf"|<[^<>\s]{{1,300}}>|{ADDRESS_PATTERN}|\b(?:remote )?(?:host|server) (?:\S{{1,300}} )?said:?"
    r"|(?<![\w.])[245]\d\d[ -](?=[245]\.\d{1,3}\.\d{1,3}\b)|(?<![\w.])#?[245]\.\d{1,3}\.\d{1,3}(?![\w.])",
    re.IGNORECASE,
)
_SPACE = re.compile(r"[\s_]+")

Rows = Iterable[tuple[Reason, tuple[str, ...]]]


def _compile(*tables: Rows) -> tuple[tuple[Reason, re.Pattern[str]], ...]:
    return tuple((reason, re.compile("|".join(patterns))) for table in tables for reason, patterns in table)


_PLAIN = _compile(ABOUT_US, ABOUT_RECIPIENT)
_VAGUE = _compile(VAGUELY_ABOUT_US, VAGUELY_ABOUT_RECIPIENT)

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
    words = _clean(text)
    return next((reason for reason, pattern in _PLAIN if pattern.search(words)), None)


def read_vaguely(text: str) -> Reason | None:
    """The reason that a vague phrase suggests, or None."""
    words = _clean(text)
    return next((reason for reason, pattern in _VAGUE if pattern.search(words)), None)


def _clean(text: str) -> str:
    """`text` in lower case and one line, without addresses, URLs, codes and `host … said`."""
    return _SPACE.sub(" ", _NOISE.sub(" ", text[:MAX_WORDS])).strip().lower()
