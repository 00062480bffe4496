"""Links and the pixel in HTML: the places found once, each recipient's copy spliced from what lies between them.

Everything that is not a wrapped `href` or the pixel stays byte for byte: comments for Outlook, entities, odd quotes.
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bs4 import BeautifulSoup

from delivery.html.tokenizer import Tag, Value, tokens

MAXIMUM_LINKS = 1_000  # in one mail; what follows is left alone
MAXIMUM_TAG = 8_192  # characters of one tag, its URL included; a longer one is left alone
CACHED_SIZE = 100_000  # characters; of HTML up to this size the last 128 are kept cut

LINK_NAMES = frozenset({"a", "area"})
WEB_URL = re.compile(r"https?://[^/?#\s\\]", re.IGNORECASE)
UNTRACKED = re.compile(r"unsubscribe|\{\{", re.IGNORECASE)
URL_NOISE = str.maketrans("", "", "\t\r\n")  # WHATWG URL, 4.4: every browser drops these
NEEDS_ESCAPE = re.compile("[&<>\"']")

Wrap = Callable[[int, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A trackable link: its URL as a browser follows it, and the place of its `href` in the document."""

    url: str
    place: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmented:
    """HTML cut at its trackable links and at the pixel's place. Safe to share between threads.

    `links` are the URLs to lead to, in the document's order. Joined, `parts` are the HTML: those at `link_slots` are
    the values of the links' `href` (at `bare_slots` without quotes), and the one at `pixel_slot` is empty.
    """

    links: tuple[str, ...]
    parts: tuple[str, ...]
    link_slots: tuple[int, ...]
    bare_slots: frozenset[int]
    pixel_slot: int

    def splice(self, wrap: Wrap | None, pixel: str = "") -> str:
        """One recipient's copy: each `href` is `wrap(its index in links, its URL)`; without `wrap` all stay.

        `wrap` gives a URL, not HTML. `pixel` is HTML, and stands before `</body>`, or at the end where there is none.
        """
        parts = list(self.parts)
        parts[self.pixel_slot] = pixel
        if wrap:
            for index, slot in enumerate(self.link_slots):
                url = wrap(index, self.links[index])
                if NEEDS_ESCAPE.search(url):
                    url = html.escape(url)
                parts[slot] = f'"{url}"' if slot in self.bare_slots else url
        return "".join(parts)


def segment(document: str) -> Segmented:
    """Cut `document` at the places to change, in time linear in its length.

    Tracked are `a` and `area` with an http or https URL, but not those with `data-track="false"`, those that hold
    "unsubscribe" or a placeholder (`{{`), and those beyond the first 1,000.
    """
    return cut_cached(document) if len(document) <= CACHED_SIZE else cut(document)


def cut(document: str) -> Segmented:
    links, pixel_at = find_places(document)
    holes = sorted(
        [(link.place.start, link.place.end, link) for link in links] + [(pixel_at, pixel_at, None)], key=by_start
    )
    parts: list[str] = []
    link_slots: list[int] = []
    bare_slots: set[int] = set()
    pixel_slot = position = 0
    for start, end, link in holes:
        parts += [document[position:start], document[start:end]]
        position = end
        slot = len(parts) - 1
        if link is None:
            pixel_slot = slot
            continue
        link_slots.append(slot)
        if not link.place.is_quoted:
            bare_slots.add(slot)
    parts.append(document[position:])
    return Segmented(
        links=tuple(link.url for link in links),
        parts=tuple(parts),
        link_slots=tuple(link_slots),
        bare_slots=frozenset(bare_slots),
        pixel_slot=pixel_slot,
    )


cut_cached = lru_cache(maxsize=128)(cut)


def find_places(document: str) -> tuple[list[Link], int]:
    """The links to track, and where the pixel goes: before the last `</body>`, else `</html>`, else at the end."""
    candidates: list[tuple[Tag, Link]] = []
    ends = {"html": len(document)}
    for token in tokens(document):
        if isinstance(token, str):
            continue
        if token.is_end:
            if token.name in {"body", "html"}:
                ends[token.name] = token.start
        elif token.name in LINK_NAMES and len(candidates) < MAXIMUM_LINKS and (link := read_link(token)):
            candidates.append((token, link))
    return list(confirm(document, candidates)), ends.get("body", ends["html"])


def read_link(tag: Tag) -> Link | None:
    """The tag's link if it may be tracked, judged by its URL."""
    place = tag.find("href") if tag.end - tag.start <= MAXIMUM_TAG else None
    if place is None:
        return None
    url = place.text.translate(URL_NOISE).strip(" \f")
    return Link(url=url, place=place) if WEB_URL.match(url) and not UNTRACKED.search(url) else None


def confirm(document: str, candidates: Sequence[tuple[Tag, Link]]) -> Iterator[Link]:
    """The candidates that BeautifulSoup reads as links too, and that do not opt out.

    It is given the links' tags alone, each at the start of a line, by whose number its answer is told: on a whole
    document its time is not bounded, and it would see links inside a textarea.
    """
    lines: dict[int, Link] = {}
    sources: list[str] = []
    line = 1
    for tag, link in candidates:
        lines[line] = link
        sources.append(f"{document[tag.start : tag.end]}</a>\n")
        line += sources[-1].count("\n")
    page = BeautifulSoup("".join(sources), "html.parser", on_duplicate_attribute="ignore")
    for element in page.find_all(LINK_NAMES):
        found = lines.get(element.sourceline or 0) if element.sourcepos == 0 else None
        if found and element.get("href") and str(element.get("data-track")).strip().lower() != "false":
            yield found


def by_start(hole: tuple[int, int, Link | None]) -> int:
    return hole[0]
