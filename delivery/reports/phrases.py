"""Phrases of mail systems and the reasons of rejection that they name.

There are two tables, and the first match wins. Clear phrases count more than any code (a host that writes 5.1.1 beside
"over quota" means the quota). Vague phrases are used only without a meaningful code. Within a table temporary causes
come first: an address becomes invalid only when no milder phrase matches.

Phrases are matched in lower case, without addresses, URLs and codes (`_clean`). Every gap in a pattern is bounded, so
that no text makes a search slow.
"""

import re
from collections.abc import Iterable, Mapping

from delivery.reports.addresses import ADDRESS_PATTERN
from delivery.reports.model import BounceReason
from delivery.reports.phrases_recipient import ABOUT_RECIPIENT, VAGUELY_ABOUT_RECIPIENT
from delivery.reports.phrases_sender import ABOUT_US, VAGUELY_ABOUT_US

MAX_WORDS = 3_000

_NOISE = re.compile(
    r"(?:https?|ftp)://\S{1,500}|www\.\S{1,300}"
    rf"|<[^<>\s]{{1,300}}>|{ADDRESS_PATTERN}|\b(?:remote )?(?:host|server) (?:\S{{1,300}} )?said:?"
    r"|(?<![\w.])[245]\d\d[ -](?=[245]\.\d{1,3}\.\d{1,3}\b)|(?<![\w.])#?[245]\.\d{1,3}\.\d{1,3}(?![\w.])",
    re.IGNORECASE,
)
_SPACE = re.compile(r"[\s_]+")

Rows = Iterable[tuple[BounceReason, tuple[str, ...]]]


def _compile(*tables: Rows) -> tuple[tuple[BounceReason, re.Pattern[str]], ...]:
    return tuple((reason, re.compile("|".join(patterns))) for table in tables for reason, patterns in table)


_PLAIN = _compile(ABOUT_US, ABOUT_RECIPIENT)
_VAGUE = _compile(VAGUELY_ABOUT_US, VAGUELY_ABOUT_RECIPIENT)

# PowerMTA names the cause itself.
CATEGORIES: Mapping[str, BounceReason] = {
    "bad-mailbox": BounceReason.NO_SUCH_USER,
    "bad-domain": BounceReason.HOST_UNKNOWN,
    "inactive-mailbox": BounceReason.DISABLED,
    "quota-issues": BounceReason.MAILBOX_FULL,
    "spam-related": BounceReason.SPAM,
    "virus-related": BounceReason.VIRUS,
    "policy-related": BounceReason.POLICY,
    "content-related": BounceReason.CONTENT,
    "relaying-issues": BounceReason.RELAYING,
    "invalid-sender": BounceReason.SENDER_REJECTED,
    "message-expired": BounceReason.EXPIRED,
    "no-answer-from-host": BounceReason.NETWORK,
    "bad-connection": BounceReason.NETWORK,
    "routing-errors": BounceReason.NETWORK,
    "bad-configuration": BounceReason.SYSTEM,
    "protocol-errors": BounceReason.PROTOCOL,
}


def read_plainly(text: str) -> BounceReason | None:
    """The reason that a clear phrase names, or None."""
    words = _clean(text)
    return next((reason for reason, pattern in _PLAIN if pattern.search(words)), None)


def read_vaguely(text: str) -> BounceReason | None:
    """The reason that a vague phrase suggests, or None."""
    words = _clean(text)
    return next((reason for reason, pattern in _VAGUE if pattern.search(words)), None)


def _clean(text: str) -> str:
    """`text` in lower case and one line, without addresses, URLs, codes and `host … said`."""
    return _SPACE.sub(" ", _NOISE.sub(" ", text[:MAX_WORDS])).strip().lower()
