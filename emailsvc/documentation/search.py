"""Finding words on the site. It is small: every section is looked at, and there is no index to keep."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from emailsvc.documentation.markdown import Heading

MAX_WORDS = 8
MAX_HITS = 30
EXCERPT = 160
_WORD = re.compile(r"[\w.:-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A section that may be found."""

    url: str
    page: str
    heading: Heading


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A section that was found, and where in it."""

    url: str
    page: str
    title: str
    excerpt: str
    score: int


def search(places: Iterable[Place], query: str) -> list[Hit]:
    """Sections with every word of the query, the best first: a word in a heading counts most."""
    words = [word.lower() for word in _WORD.findall(query)][:MAX_WORDS]
    if not words:
        return []
    return sorted(find_hits(places, words), key=lambda hit: -hit.score)[:MAX_HITS]


def find_hits(places: Iterable[Place], words: list[str]) -> Iterator[Hit]:
    for place in places:
        title, body = f"{place.page} {place.heading.text}".lower(), place.heading.body.lower()
        if all(word in title or word in body for word in words):
            score = sum(20 * (word in place.heading.text.lower()) + 5 * (word in title) for word in words)
            score += sum(min(body.count(word), 4) for word in words)
            yield Hit(
                url=place.url,
                page=place.page,
                title=place.heading.text,
                excerpt=cut_excerpt(place.heading.body, words[0]),
                score=score,
            )


def cut_excerpt(body: str, word: str) -> str:
    """Some words around the first place where `word` stands."""
    text = " ".join(body.split())
    begin = max(text.lower().find(word) - EXCERPT // 3, 0)
    # Whole words only.
    begin = text.find(" ", begin) + 1 if begin else 0
    end = len(text) if begin + EXCERPT >= len(text) else text.rfind(" ", begin, begin + EXCERPT)
    return f"{'… ' if begin else ''}{text[begin : max(end, begin)]}{' …' if end < len(text) else ''}"
