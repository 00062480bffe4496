"""BeautifulSoup's view of a document: the links to track, and the end of the body.

Places are offsets in characters. The tokenizer finds the exact values there, because a parsed tree cannot be written
back byte for byte.

The tree has the links and their content alone (`SoupStrainer`). What stands outside of links is not passed on to
BeautifulSoup's tree, which would drop it; html.parser reads only what is not of the usual form there.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bs4 import BeautifulSoup
from bs4.builder._htmlparser import BeautifulSoupHTMLParser, HTMLParserTreeBuilder
from bs4.element import NavigableString, PageElement, Tag
from bs4.exceptions import ParserRejectedMarkup
from bs4.filter import SoupStrainer

from tracking.engagement.link_rules import LINK_NAMES, OPT_OUT_TEXT, is_trackable, read_url
from tracking.engagement.passed_markup import BODY_ENDS, pass_markup

REQUEST_SECONDS = 2.0  # of CPU, for all documents of a request
NEAR_NODES = 50  # nodes of a link's content that are read for its text
USUAL_END = re.compile(r"</([a-z][a-z0-9]*+)>", re.IGNORECASE | re.ASCII)


class OutOfTimeError(Exception):
    """The request's CPU budget for HTML is used up."""


class CpuBudget:
    """The CPU seconds of the thread that a request may use for HTML. `clock` returns the seconds used so far."""

    def __init__(self, seconds: float = REQUEST_SECONDS, clock: Callable[[], float] = time.thread_time) -> None:
        self.left = seconds
        self._clock = clock
        self._ends_at = 0.0

    @contextmanager
    def spend(self) -> Iterator[None]:
        self._ends_at = self._clock() + self.left
        try:
            yield
        finally:
            self.left = self._ends_at - self._clock()

    def check(self) -> None:
        """Raise OutOfTimeError if the budget is used up."""
        if self._clock() > self._ends_at:
            raise OutOfTimeError


class PlaceParser(BeautifulSoupHTMLParser):
    """Records the places of `</body>` and `</html>`, which a tree does not have, and stops when the budget is used.

    `getpos` tells offsets in the document, as if it were one line.
    """

    budget: CpuBudget
    ends: list[int]

    def is_outside(self) -> bool:
        """Whether no link is open: BeautifulSoup's own condition for what its strainer drops."""
        return len(self.soup.tagStack) <= 1

    def updatepos(self, i: int, j: int) -> int:
        """Advance from `i` to `j`, without a count of lines."""
        self.offset += j - i
        return j

    def parse_starttag(self, i: int) -> int:
        """Read the start tag at `i`. Outside of links others mean nothing, nor does the text behind them."""
        end = pass_markup(self.rawdata, i) if self.is_outside() else i
        if end == i:
            return super().parse_starttag(i)
        self.budget.check()
        return end

    def parse_endtag(self, i: int) -> int:
        """Read the end tag at `i`."""
        usual = USUAL_END.match(self.rawdata, i) if self.cdata_elem is None and self.is_outside() else None
        if usual is None:
            return super().parse_endtag(i)
        self.handle_endtag(usual[1].lower())
        return pass_markup(self.rawdata, usual.end())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]], handle_empty_element: bool = True) -> None:
        self.budget.check()
        if tag in LINK_NAMES or not self.is_outside():
            super().handle_starttag(tag, attrs, handle_empty_element)
            # Only tags such as `</br>` need this list, and its look-up takes quadratic time.
            self.already_closed_empty_element.clear()

    def handle_endtag(self, tag: str, check_already_closed: bool = True) -> None:
        if tag in BODY_ENDS:
            self.ends.append(self.offset)
        if not self.is_outside():
            self.budget.check()
            super().handle_endtag(tag, check_already_closed)

    def handle_data(self, data: str) -> None:
        if not self.is_outside():
            self.budget.check()
            super().handle_data(data)

    def handle_pi(self, data: str) -> None:
        """Do nothing: BeautifulSoup's warning about XML is of no use here."""


class PlaceBuilder(HTMLParserTreeBuilder):
    """BeautifulSoup's `html.parser` builder with a parser that records places."""

    parser_class = PlaceParser

    def __init__(self, budget: CpuBudget) -> None:
        super().__init__(on_duplicate_attribute="ignore")
        self.budget = budget
        self.ends: list[int] = []

    def feed(self, markup: str | bytes, _parser_class: Any = None) -> None:
        assert self.soup is not None, "BeautifulSoup sets itself before it feeds"
        assert isinstance(markup, str), "documents are text"
        _, options = self.parser_args
        # Without this option, an `&#` outside a reference turns the rest of the document into text.
        parser = (_parser_class or self.parser_class)(self.soup, **{**options, "convert_charrefs": True})
        parser.budget, parser.ends = self.budget, self.ends
        parser.feed(markup)
        parser.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """BeautifulSoup's result: the offsets of the tags of tracked links, and of the end tags of body and html."""

    links: frozenset[int]
    ends: frozenset[int]


def read_html(
    document: str, budget: CpuBudget, builder_class: Callable[[CpuBudget], Any] = PlaceBuilder
) -> Page | None:
    """Parse a document; None if BeautifulSoup cannot parse it, or if the budget is used up."""
    builder = builder_class(budget)
    try:
        with budget.spend():
            soup = BeautifulSoup(document, builder=builder, parse_only=SoupStrainer(LINK_NAMES))
            links = frozenset(
                node.sourcepos or 0
                for node in soup.descendants
                if isinstance(node, Tag) and node.name in LINK_NAMES and is_tracked(node, budget)
            )
    # html.parser raises the last two for some declarations and for numbers of 5,000 digits.
    except (OutOfTimeError, ParserRejectedMarkup, AssertionError, ValueError):
        return None
    soup.decompose()
    return Page(links=links, ends=frozenset(builder.ends))


def is_tracked(link: Tag, budget: CpuBudget) -> bool:
    """Whether to track a link, by its URL, its `data-track` and its text."""
    budget.check()
    href = link.get("href")
    if href is None or not is_trackable(read_url(str(href)), link.attrs):
        return False
    return not OPT_OUT_TEXT.search(read_text(link))


def read_text(link: Tag) -> str:
    """The text of the link and of its images, up to the next link: an unclosed link contains all later ones."""
    words: list[str] = []
    for node in islice(list_inside(link), NEAR_NODES):
        if isinstance(node, Tag):
            if node.name in LINK_NAMES:
                break
            words.append(str(node.get("alt", "")))
        elif type(node) is NavigableString:  # not a comment or a style
            words.append(node)
    return "".join(words)


def list_inside(tag: Tag) -> Iterator[PageElement]:
    """`tag.descendants`, without its search for the last of them: in nested links that is the way down for each."""
    inside = {id(tag)}
    for node in tag.next_elements:
        if id(node.parent) not in inside:
            return
        inside.add(id(node))
        yield node
