"""Finds the links to track in a document and the place of the pixel. This happens once, at accept.

BeautifulSoup decides which links are tracked; the tokenizer gives their exact places. The tokenizer decides alone for
long documents, and for constructs that older versions of Python's html.parser never end.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any

from delivery.html.tokenizer import RAW, Tag, Tokenizer, Value
from tracking.engagement.link_rules import LINK_NAMES, MAY_OPT_OUT, OPT_OUTS, is_trackable, read_url
from tracking.engagement.passed_markup import BODY_ENDS, HIDING, pass_markup
from tracking.engagement.soup import CpuBudget, PlaceBuilder, read_html

MAXIMUM_LINKS = 1_000  # tracked links in one document; later ones are not tracked
MAXIMUM_SIZE = 256 * 1024  # bytes; longer documents are not parsed by BeautifulSoup
CACHED_SIZE = 100_000  # bytes; results of documents up to this size are cached
CACHED_DOCUMENTS = 128

# Constructs that all versions of html.parser end at the same place. For others, an older version may search to the end.
ENDS_ALIKE = re.compile(
    r"<!--(?!-?>)(?:[^-]++|-(?!-)|--(?!!|\s*>))*+--> | <!\[(?:if|else|endif)\b[^>]*\]> | <(?!!\[|!--)[^>]*+>",
    re.IGNORECASE | re.VERBOSE,
)
MARKUP_RAW = frozenset({"script", "style"})  # older html.parsers also search only for the end tag here


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The places to change in a document, as offsets in characters.

    `places` has the pixel's offset, then for each link the begin and the end of its `href` value. `urls` has the links'
    targets in the same order.
    """

    urls: tuple[str, ...]
    places: tuple[int, ...]


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


class LinkFinder:
    """Finds links for one request, whose documents share one CPU budget for BeautifulSoup."""

    def __init__(
        self, budget: CpuBudget | None = None, builder_class: Callable[[CpuBudget], Any] = PlaceBuilder
    ) -> None:
        self.budget = budget or CpuBudget()
        self.builder_class = builder_class

    def find(self, document: str) -> Found:
        """Find the links to track and the pixel's place.

        It tracks the first 1,000 `a` and `area` tags with an http or https URL, except those with an attribute that
        turns tracking off, with a placeholder (`{{`), or with "unsubscribe" in the URL or the text.
        """
        content = document.encode("utf-8", "surrogatepass")
        if len(content) > CACHED_SIZE or self.builder_class is not PlaceBuilder:
            return self.judge(document, len(content))[0]
        digest = hashlib.sha256(content).digest()
        if found := recent.get(digest):
            return found
        found, is_final = self.judge(document, len(content))
        if is_final:
            recent.put(digest, found)
        return found

    def judge(self, document: str, size: int) -> tuple[Found, bool]:
        """The result, and whether it is final: False if the CPU budget ran out."""
        outline = Outline(document)
        if not outline.is_plain or size > MAXIMUM_SIZE or not (outline.links or outline.ends):
            return outline.tell(), True
        page = read_html(document, self.budget, self.builder_class)
        if page is None:
            return outline.tell(), False
        outline.keep(page.links, page.ends)
        return outline.tell(), True


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


def list_opt_outs(tag: Tag) -> Mapping[str, str]:
    """The attributes of a link that may turn off its tracking."""
    if not MAY_OPT_OUT.search(tag.attributes):
        return {}
    return {name: value for name in OPT_OUTS if (value := tag.get(name)) is not None}


class Recent:
    """A cache of recent results by the document's digest, for many messages with the same HTML."""

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, Found] = OrderedDict()
        self._lock = Lock()

    def get(self, digest: bytes) -> Found | None:
        with self._lock:
            found = self._found.get(digest)
            if found:
                self._found.move_to_end(digest)
            return found

    def put(self, digest: bytes, found: Found) -> None:
        with self._lock:
            self._found[digest] = found
            if len(self._found) > CACHED_DOCUMENTS:
                self._found.popitem(last=False)


recent = Recent()
