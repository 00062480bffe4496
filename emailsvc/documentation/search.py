"""Search over the sections of the site.

The site is small: a query looks at every section, and there is no index to keep. Words are compared by their stems, and
a section that uses another name of the subject is found too (`words.SYNONYMS`), below those that use the same one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from emailsvc.documentation.markdown import Heading
from emailsvc.documentation.words import Phrase, Term, count_stems, read_query, split_tokens, stem

MAX_HITS = 30
EXCERPT = 160
# A word counts by the place where it stands. More than a few mentions in the text prove nothing.
IN_HEADING = 20
IN_PAGE_TITLE = 8
MAX_IN_BODY = 4
# Another name of the subject, and a part of a word, count less than the word itself.
OTHER_NAME = 0.5
PART_OF_WORD = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A section that may be found. The introduction of a page has a heading without text."""

    url: str
    page: str
    heading: Heading


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A section that was found, and an excerpt of it."""

    url: str
    page: str
    title: str
    excerpt: str
    score: float


def search(places: Iterable[Place], query: str) -> list[Hit]:
    """Sections that treat every subject of the query, the best first."""
    terms = read_query(query)
    if not terms:
        return []
    return sorted(find_hits(places, terms), key=lambda hit: -hit.score)[:MAX_HITS]


def find_hits(places: Iterable[Place], terms: Sequence[Term]) -> Iterator[Hit]:
    for place in places:
        scores = [score_term(place, term) for term in terms]
        if all(scores):
            yield Hit(
                url=place.url,
                page=place.page,
                title=place.heading.text,
                excerpt=cut_excerpt(place.heading.body, find_word(place.heading.body, terms[0])),
                score=sum(scores),
            )


def find_word(body: str, term: Term) -> str:
    """The first word of the body that has a stem of the term; the term itself where there is none."""
    return next((token for token in split_tokens(body) if stem(token) in term.phrase), term.text)


def score_term(place: Place, term: Term) -> float:
    """How much the section has of a subject; 0 for nothing."""
    if score := score_phrase(place, term.phrase):
        # Above every section that has the subject under another name only, and equally often.
        return score
    others = max((score_phrase(place, other) for other in term.others), default=0.0)
    return OTHER_NAME * others or PART_OF_WORD * score_substring(place, term.text)


def score_phrase(place: Place, phrase: Phrase) -> float:
    """The score of a section that has all words of the phrase, together in its titles or in its text."""
    heading = count_stems(place.heading.text or place.page)
    page, body = count_stems(place.page), count_stems(place.heading.body)
    in_titles = {**page, **heading}
    score: float = min(count_least(body, phrase), MAX_IN_BODY)
    if has_all(heading, phrase):
        score += IN_HEADING
    if has_all(in_titles, phrase):
        score += IN_PAGE_TITLE
    return score


def has_all(counts: Mapping[str, int], phrase: Phrase) -> bool:
    return all(word in counts for word in phrase)


def count_least(counts: Mapping[str, int], phrase: Phrase) -> int:
    return min(counts.get(word, 0) for word in phrase)


def score_substring(place: Place, text: str) -> int:
    """For the beginning of a word, and for codes that are no words."""
    heading, body = f"{place.page} {place.heading.text}".lower(), place.heading.body.lower()
    return IN_HEADING * (text in heading) + min(body.count(text), MAX_IN_BODY)


def cut_excerpt(body: str, word: str) -> str:
    """Some words around the first place where `word` stands."""
    text = " ".join(body.split())
    begin = max(text.lower().find(word) - EXCERPT // 3, 0)
    # Whole words only.
    begin = text.find(" ", begin) + 1 if begin else 0
    end = len(text) if begin + EXCERPT >= len(text) else text.rfind(" ", begin, begin + EXCERPT)
    return f"{'… ' if begin else ''}{text[begin : max(end, begin)]}{' …' if end < len(text) else ''}"
