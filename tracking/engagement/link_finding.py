"""Finds the links to track in a document and the place of the pixel. This happens once, at accept.

BeautifulSoup decides which links are tracked; the tokenizer gives their exact places. The tokenizer decides alone for
long documents, and for constructs that older versions of Python's html.parser never end.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar

from delivery.html.tokenizer import RAW, Tag, Tokenizer, Value
from tracking.engagement.link_rules import LINK_NAMES, Found, is_trackable, list_opt_outs, read_url
from tracking.engagement.passed_markup import BODY_ENDS, HIDING, pass_markup
from tracking.engagement.skeleton_learning import learn
from tracking.engagement.skeletons import Skeleton, Texts, are_inert, split
from tracking.engagement.soup import CpuBudget, PlaceBuilder, read_html

MAXIMUM_LINKS = 1_000  # tracked links in one document; later ones are not tracked
MAXIMUM_SIZE = 256 * 1024  # bytes; longer documents are not parsed by BeautifulSoup
CACHED_SIZE = 100_000  # bytes; results of documents up to this size are cached
CACHED_DOCUMENTS = 128
CACHED_SKELETONS = 512
CACHED_SKELETONS_SIZE = 8 * 1024 * 1024  # bytes, about
MAXIMUM_TRIES = 3  # renderings of the same texts from which their skeleton may be learnt
MAXIMUM_PIECES = 2_000  # texts and values of a rendering of which a skeleton is made
SLOT_SIZE = 256  # bytes that a skeleton takes for each text or value, at most
SKELETON_SIZE = MAXIMUM_SIZE // 4  # characters; documents up to this size are parsed by BeautifulSoup

# Constructs that all versions of html.parser end at the same place. For others, an older version may search to the end.
ENDS_ALIKE = re.compile(
    r"<!--(?!-?>)(?:[^-]++|-(?!-)|--(?!!|\s*>))*+--> | <!\[(?:if|else|endif)\b[^>]*\]> | <(?!!\[|!--)[^>]*+>",
    re.IGNORECASE | re.VERBOSE,
)
MARKUP_RAW = frozenset({"script", "style"})  # older html.parsers also search only for the end tag here
Key = TypeVar("Key")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLink:
    """A link in a document. `is_tracked`: a recipient's copy has a tracked URL in its place."""

    url: str
    is_tracked: bool


def list_links(document: str, places: Sequence[int] = ()) -> list[ListedLink]:
    """The first 1,000 `a` and `area` tags with a URL, in order; `places` are those of the tracked ones, as `Found` has
    them.
    """
    begins = frozenset(places[1::2])
    tags = (token for token in Tokenizer(document) if isinstance(token, Tag) and not token.is_end)
    hrefs = (href for tag in tags if tag.name in LINK_NAMES and (href := tag.find("href")) and href.text.strip())
    return [
        ListedLink(url=read_url(href.text), is_tracked=href.start in begins) for href in islice(hrefs, MAXIMUM_LINKS)
    ]


class Reading(NamedTuple):
    """What a whole document has.

    `is_final`: the CPU budget did not run out. `is_plain`: all readers agree about it, as `Outline` tells.
    """

    found: Found
    is_final: bool
    is_plain: bool


class LinkFinder:
    """Finds links for one request, whose documents share one CPU budget for BeautifulSoup."""

    def __init__(
        self, budget: CpuBudget | None = None, builder_class: Callable[[CpuBudget], Any] = PlaceBuilder
    ) -> None:
        self.budget = budget or CpuBudget()
        self.builder_class = builder_class

    def find(self, document: str, pieces: Sequence[str] = ()) -> Found:
        """Find the links to track and the pixel's place. `pieces` are those of a template's rendering.

        It tracks the first 1,000 `a` and `area` tags with an http or https URL, except those with an attribute that
        turns tracking off, with a placeholder (`{{`), or with "unsubscribe" in the URL or the text.
        """
        is_long = len(document) > SKELETON_SIZE or len(pieces) > MAXIMUM_PIECES
        if not pieces or is_long or self.builder_class is not PlaceBuilder:
            return self.read(document).found
        texts, values = split(pieces)
        known = skeletons.get(texts)
        if isinstance(known, Skeleton) and (found := known.tell(document, values)):
            return found
        reading = self.read(document)
        size = len(document) + SLOT_SIZE * len(texts)
        if known is None:
            # Learning costs half as much as reading, and many texts do not come again.
            skeletons.put(texts, MAXIMUM_TRIES, size)
        elif isinstance(known, int) and known and reading.is_plain and are_inert(values):
            skeletons.put(texts, learn(document, pieces, reading.found) or known - 1, size)
        return reading.found

    def read(self, document: str) -> Reading:
        """What the whole document has."""
        content = document.encode("utf-8", "surrogatepass")
        if len(content) > CACHED_SIZE or self.builder_class is not PlaceBuilder:
            return self.judge(document, len(content))
        digest = hashlib.sha256(content).digest()
        if reading := recent.get(digest):
            return reading
        reading = self.judge(document, len(content))
        if reading.is_final:
            recent.put(digest, reading, len(content))
        return reading

    def judge(self, document: str, size: int) -> Reading:
        """As `read`, without the cache."""
        outline = Outline(document)
        if not outline.is_plain or size > MAXIMUM_SIZE or not (outline.links or outline.ends):
            return Reading(outline.tell(), is_final=True, is_plain=outline.is_plain)
        page = read_html(document, self.budget, self.builder_class)
        if page is None:
            return Reading(outline.tell(), is_final=False, is_plain=False)
        outline.keep(page.links, page.ends)
        return Reading(outline.tell(), is_final=True, is_plain=True)


class Outline:
    """The tokenizer's view of a document: the links to track, and the end tags of body and html.

    `pass_over` returns the end of what it need not see from an offset on.
    """

    def __init__(self, document: str, pass_over: Callable[[str, int], int] = pass_markup) -> None:
        self.document = document
        self.links: dict[int, tuple[str, Value]] = {}
        self.ends: dict[int, str] = {}
        self.hiding: dict[str, list[int]] = {}
        self.is_plain = True
        tokenizer = Tokenizer(document, pass_over)
        before: Tag | None = None
        for token in tokenizer:
            if isinstance(token, Tag):
                self.read_tag(token)
                before = token
            elif "<" in token and before and before.name in RAW - MARKUP_RAW:
                self.is_plain = False
        self.open_at = tokenizer.open_at
        self.is_plain &= self.open_at is None and all(
            (match := ENDS_ALIKE.match(document, start)) and match.end() == end for start, end in tokenizer.comments
        )

    def read_tag(self, tag: Tag) -> None:
        if tag.name in RAW and not tag.is_end and tag.attributes.endswith("/"):
            self.is_plain = False  # older html.parsers treat such an element as empty
        elif tag.name in HIDING:
            self.read_hiding(tag)
        elif tag.is_end:
            if tag.name in BODY_ENDS:
                self.ends[tag.start] = tag.name
        elif tag.name in LINK_NAMES and len(self.links) < MAXIMUM_LINKS:
            href = tag.find("href")
            if href and is_trackable(url := read_url(href.text), list_opt_outs(tag)):
                self.links[tag.start] = (url, href)

    def read_hiding(self, tag: Tag) -> None:
        """Note where elements of `HIDING` begin that have not ended yet."""
        starts = self.hiding.setdefault(tag.name, [])
        if not tag.is_end:
            starts.append(tag.start)
        elif starts:
            starts.pop()

    def keep(self, links: frozenset[int], ends: frozenset[int]) -> None:
        """Keep only the tags at these offsets."""
        self.links = {start: link for start, link in self.links.items() if start in links}
        self.ends = {start: name for start, name in self.ends.items() if start in ends}

    def tell(self) -> Found:
        places = [self.find_pixel()]
        for _, href in self.links.values():
            places += (href.start, href.end)
        return Found(urls=tuple(url for url, _ in self.links.values()), places=tuple(places))

    def find_pixel(self) -> int:
        """The last `</body>`, else the last `</html>`, else the end, but before an unclosed construct; as an offset."""
        last = {name: start for start, name in self.ends.items()}
        place = last.get("body", last.get("html", len(self.document)))
        starts = [starts[0] for starts in self.hiding.values() if starts]
        return min([place, *starts, *([] if self.open_at is None else [self.open_at])])


class Recent(Generic[Key, Result]):
    """A cache of recent results, limited in number and in the size of what they belong to."""

    def __init__(self, max_count: int, max_size: int) -> None:
        self.max_count = max_count
        self.max_size = max_size
        self._size = 0
        self._results: OrderedDict[Key, tuple[Result, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Result | None:
        with self._lock:
            kept = self._results.get(key)
            if kept is None:
                return None
            self._results.move_to_end(key)
            return kept[0]

    def put(self, key: Key, result: Result, size: int) -> None:
        with self._lock:
            self._size += size - self._results.pop(key, (result, 0))[1]
            self._results[key] = result, size
            while len(self._results) > self.max_count or self._size > self.max_size:
                self._size -= self._results.popitem(last=False)[1][1]


# By the digest of a document: many messages have the same HTML.
recent: Recent[bytes, Reading] = Recent(CACHED_DOCUMENTS, CACHED_DOCUMENTS * CACHED_SIZE)
# By the texts of a template: many messages differ in what is printed between them. A number: how often to try to learn.
skeletons: Recent[Texts, Skeleton | int] = Recent(CACHED_SKELETONS, CACHED_SKELETONS_SIZE)
