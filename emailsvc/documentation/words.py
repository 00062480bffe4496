"""The words of a text as the search compares them: stems, and the other names of a subject."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeAlias

from delivery.optional import load_when_used

# A stem for each word of it.
Phrase: TypeAlias = tuple[str, ...]

MAX_WORDS = 8
_TOKEN = re.compile(r"[\w.:-]+")
_PART = re.compile(r"[^\W_]+")

# Names of one subject: who asks for one of them finds sections that use another.
SYNONYMS: Sequence[Sequence[str]] = (
    ("reverse proxy", "proxy", "nginx", "caddy", "traefik", "load balancer", "tls termination"),
    ("localhost", "loopback", "127.0.0.1", "own machine"),
    ("metrics", "monitoring", "health", "prometheus", "alerting", "observability"),
    ("role", "permission", "user", "group", "access control", "staff"),
    ("scope", "permission"),
    ("upgrade", "update", "migrate", "new version"),
    ("backup", "restore", "dump", "recovery"),
    ("rate limit", "throttle", "too many requests", "429", "quota"),
    ("test mode", "sandbox", "test key", "simulator"),
    ("suppression list", "blocklist", "blacklist", "do not send"),
    ("unsubscribe", "opt-out", "list-unsubscribe", "one-click"),
    ("bounce", "dsn", "undeliverable", "non-delivery report"),
    ("complaint", "spam report", "feedback loop", "arf"),
    ("webhook signature", "signing secret", "hmac", "verify webhook"),
    ("webhook", "callback"),
    ("attachment", "file"),
    ("inline image", "cid", "content-id", "embedded image"),
    ("template variable", "merge tag", "placeholder", "substitution"),
    ("schedule", "delay", "send later", "scheduled_at"),
    ("idempotency", "duplicate", "deduplicate", "exactly once"),
    ("pagination", "page", "cursor", "offset", "list results"),
    ("retry", "try again", "backoff"),
    ("dkim", "signature", "selector"),
    ("spf", "return path", "mail from"),
    ("send", "submit", "post email"),
    ("provider", "relay", "smarthost", "esp"),
    ("api key", "token", "credential", "authentication"),
    ("open", "pixel"),
    ("click", "link tracking"),
    ("batch", "bulk", "many emails"),
)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """The word without its ending, in lower case: `scheduling` and `scheduled` have one stem."""
    # A stemmer keeps its word in itself: each call has its own, so that threads do not share one.
    # Stemmers of thirty languages come with it, 3 MB, and only a search needs one.
    found: str = load_when_used("snowballstemmer").stemmer("english").stemWord(word.lower())
    return found


def split_tokens(text: str) -> Iterator[str]:
    """The words as they stand, identifiers and codes whole: `reply_to`, `5.1.1`."""
    for match in _TOKEN.finditer(text.lower()):
        if token := match[0].strip(".:-"):
            yield token


def split_parts(token: str) -> list[str]:
    """The words that an identifier is made of: `list`, `unsubscribe` of `list-unsubscribe`."""
    return _PART.findall(token)


@lru_cache(maxsize=4_000)
def count_stems(text: str) -> Mapping[str, int]:
    """How often each stem stands in the text; of an identifier both the whole and its parts count."""
    counter: Counter[str] = Counter()
    for token in split_tokens(text):
        counter.update({stem(token), *map(stem, split_parts(token))})
    return counter


def to_phrase(text: str) -> Phrase:
    return tuple(stem(part) for token in split_tokens(text) for part in split_parts(token))


@cache
def list_other_names() -> dict[Phrase, tuple[Phrase, ...]]:
    """For each name in `SYNONYMS` the other names of its subjects."""
    others: dict[Phrase, dict[Phrase, None]] = {}
    for group in SYNONYMS:
        phrases = [to_phrase(name) for name in group]
        for phrase in phrases:
            others.setdefault(phrase, {}).update(dict.fromkeys(each for each in phrases if each != phrase))
    return {phrase: tuple(names) for phrase, names in others.items()}


@cache
def count_longest() -> int:
    """The number of words of the longest name in `SYNONYMS`."""
    return max(map(len, list_other_names()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One subject of a query: the words as they were asked for, their stems, and other names of the subject."""

    text: str
    phrase: Phrase
    others: Sequence[Phrase] = ()


def read_query(query: str) -> list[Term]:
    """The subjects that a query names, at most `MAX_WORDS` words. The longest known name counts as one subject."""
    tokens = list(split_tokens(query))[:MAX_WORDS]
    terms = []
    while tokens:
        length = next((n for n in range(min(count_longest(), len(tokens)), 1, -1) if is_known(tokens[:n])), 1)
        text = " ".join(tokens[:length])
        phrase = to_phrase(text)
        terms.append(Term(text=text, phrase=phrase, others=list_other_names().get(phrase, ())))
        tokens = tokens[length:]
    return [term for term in terms if term.phrase]


def is_known(tokens: Sequence[str]) -> bool:
    return to_phrase(" ".join(tokens)) in list_other_names()
