"""Makes the skeleton of a document that was read as a whole.

Only regular documents have one: those in which each `<` begins a tag of the usual form, or a comment or declaration
that all readers end at the same place. Then the tokenizer, every version of html.parser and browsers agree about what
is text and what a tag, whatever inert values stand in the text, in quoted values and in comments.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from html import unescape
from itertools import accumulate

from delivery.html.tokenizer import RAW, Tag, Tokenizer, Value
from templates_app.liquid.environment import TemplateText
from tracking.engagement.link_rules import LINK_NAMES, OPT_OUTS, Found, is_trackable, list_opt_outs, read_url
from tracking.engagement.skeletons import WORD, Edge, Href, Place, Skeleton, Word, split

NAME = r"[a-z_:][a-z0-9_:.-]*+"
VALUE = r"""(?:"[^"<>]*+"|'[^'<>]*+'|[a-z0-9_.:#%,+-]++)"""
USUAL_TAG = re.compile(
    rf"<(?:/[a-z][a-z0-9:-]*+[ \t\n\r\f]*+|[a-z][a-z0-9:-]*+(?:[ \t\n\r\f]++{NAME}(?:={VALUE})?+)*+[ \t\n\r\f]*+/?)>",
    re.IGNORECASE | re.ASCII,
)
ATTRIBUTE = re.compile(
    rf"({NAME})(?:=(?:\"([^\"<>]*+)\"|'([^'<>]*+)'|([a-z0-9_.:#%,+-]++)))?+", re.IGNORECASE | re.ASCII
)
QUOTED = (2, 3)
OPEN_REFERENCE = re.compile("&#?[0-9A-Za-z]*+")
MARKUP = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)
VALUE_SIGN = "\ue000"  # stands for a value
LETTER = re.compile(f"[{WORD}{VALUE_SIGN}]", re.IGNORECASE)
WHOLE_BEFORE, WHOLE_BEHIND = re.compile(rf"{WORD}\Z", re.IGNORECASE), re.compile(rf"\A{WORD}", re.IGNORECASE)
NEAR = 2_000  # characters of a link in which the neighbours of values are looked for
# Within these BeautifulSoup keeps texts of another kind, which are no words of a link.
NO_WORDS = re.compile(rf"<(?:{'|'.join(sorted(RAW | {'template', 'rt', 'rp'}))})\b", re.IGNORECASE)


class IrregularError(Exception):
    """The document has no skeleton, whatever its values are."""


def learn(document: str, pieces: Sequence[str], found: Found) -> Skeleton | None:
    """The skeleton of a rendering with inert values, in which reading the whole has found `found`, and which is plain
    as `Outline` says. None if the document has none, or if a value of this rendering is a word that decides.
    """
    try:
        skeleton = Draft(document, pieces).draw(found)
    except IrregularError:
        return None
    return skeleton if skeleton.tell(document, split(pieces)[1]) == found else None


class Draft:
    """A regular document, and where values stand in it. Raises IrregularError."""

    def __init__(self, document: str, pieces: Sequence[str]) -> None:
        self.document = document
        ends = list(accumulate(map(len, pieces)))
        self.slots = [
            (end - len(piece), end) for piece, end in zip(pieces, ends, strict=True) if type(piece) is not TemplateText
        ]
        self.starts = [start for start, _ in self.slots]
        self.ends = [end for _, end in self.slots]
        self.sizes = list(accumulate((end - start for start, end in self.slots), initial=0))
        tokenizer = Tokenizer(document)
        self.tags = list(read_usual_tags(document, tokenizer))
        self.spans = sorted([*((tag.start, tag.end) for tag in self.tags), *tokenizer.comments])
        self.tags_by_start = {tag.start: tag for tag in self.tags}
        self.words: list[Word] = []
        self.comments: list[int] = []

    def draw(self, found: Found) -> Skeleton:
        for index in range(len(self.slots)):
            self.place_value(index)
        begins = {begin: index for index, begin in enumerate(found.places[1::2])}
        pixel, *edges = found.places
        places = [self.find_end(pixel)]
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            places += (self.find_start(begin), self.find_end(end))
        hrefs = [self.draw_href(tag, href, begins.get(href.start)) for tag, href in self.list_varying_links()]
        varying = {href.url_index for href in hrefs}
        return Skeleton(
            places=tuple(places),
            urls=tuple("" if index in varying else url for index, url in enumerate(found.urls)),
            hrefs=tuple(hrefs),
            words=tuple(self.words),
            comments=tuple(self.comments),
        )

    def find_start(self, offset: int) -> Place:
        """The place of the beginning of a value: one that is printed there comes behind it."""
        count = bisect_left(self.starts, offset)
        return Place(offset - self.sizes[count], count)

    def find_end(self, offset: int) -> Place:
        """Any other place: what is printed there comes before it."""
        count = bisect_right(self.ends, offset)
        return Place(offset - self.sizes[count], count)

    def place_value(self, index: int) -> None:
        """Look where a value stands."""
        start, end = self.slots[index]
        reference = self.document.rfind("&", 0, start)
        if reference >= 0 and OPEN_REFERENCE.fullmatch(self.document, reference, start):
            raise IrregularError
        span = self.find_span(start)
        if span is None:
            self.place_word(index, start, end)
        elif tag := self.tags_by_start.get(span[0]):
            self.place_in_tag(index, tag)
        else:
            self.place_in_comment(index, *span)

    def find_span(self, start: int) -> tuple[int, int] | None:
        """The tag or comment within which a value stands that begins at `start`."""
        before = bisect_left(self.spans, (start, -1)) - 1
        return self.spans[before] if before >= 0 and self.spans[before][1] > start else None

    def place_in_comment(self, index: int, start: int, end: int) -> None:
        own_start, own_end = self.slots[index]
        inside = self.masked[start + 4 : end - 3]
        neighbours = self.masked[own_start - 1] + self.masked[own_end]
        if not self.document.startswith("<!--", start) or not start + 4 <= own_start <= own_end <= end - 3:
            raise IrregularError
        if "--" in inside or "-" in neighbours:
            raise IrregularError
        self.comments.append(index)

    def place_in_tag(self, index: int, tag: Tag) -> None:
        """A value may stand in an attribute in quotes, but for those that turn tracking off."""
        start, end = self.slots[index]
        for match in ATTRIBUTE.finditer(self.document, tag.attributes_start, tag.end):
            group = match.lastindex or 1
            if group in QUOTED and match.start(group) <= start and end <= match.end(group):
                break
        else:
            raise IrregularError
        name = match[1].lower()
        if tag.name in LINK_NAMES and (name in OPT_OUTS or (name == "href" and not has_value_at(tag, start))):
            raise IrregularError
        if name == "alt":
            self.place_word(index, match.start(group), match.end(group), tag)

    def place_word(self, index: int, text_start: int, text_end: int, tag: Tag | None = None) -> None:
        """Note a value in a text, or in an `alt` of `tag`, within a link that may be tracked."""
        start, end = self.slots[index]
        which = bisect_right(self.regions, (start, len(self.document))) - 1
        if which < 0 or self.regions[which][1] < end:
            return
        region_start, region_end = self.regions[which]
        if region_end - region_start > NEAR or NO_WORDS.search(self.document, region_start, region_end):
            self.words.append(Word(index, Edge.WHOLE, Edge.WHOLE))
            return
        masked = self.masked
        before = write_words(masked[region_start : tag.start if tag else start]) + masked[text_start:start]
        behind = masked[end:text_end] + write_words(masked[tag.end if tag else end : region_end])
        self.words.append(Word(index, find_edge(before, WHOLE_BEFORE, -1), find_edge(behind, WHOLE_BEHIND, 0)))

    @cached_property
    def masked(self) -> str:
        """The document with characters for values that may join a word."""
        parts: list[str] = []
        position = 0
        for start, end in self.slots:
            parts += (self.document[position:start], VALUE_SIGN * (end - start))
            position = end
        return "".join([*parts, self.document[position:]])

    @cached_property
    def regions(self) -> list[tuple[int, int]]:
        """Where the words of links that may be tracked can stand: up to the link's end or the next link."""
        regions = []
        start: int | None = None
        for tag in self.tags:
            # `</area>` ends nothing.
            if tag.name in LINK_NAMES and not (tag.is_end and tag.name == "area"):
                if start is not None:
                    regions.append((start, tag.start))
                start = tag.end if may_be_tracked(tag) else None
        return regions if start is None else [*regions, (start, len(self.document))]

    def list_varying_links(self) -> Iterator[tuple[Tag, Value]]:
        """The links with values within their `href`."""
        for tag in self.tags:
            if tag.name in LINK_NAMES and not tag.is_end and (href := tag.find("href")):
                first = bisect_left(self.starts, href.start)
                if first < len(self.starts) and self.starts[first] <= href.end:
                    yield tag, href

    def draw_href(self, tag: Tag, href: Value, index: int | None) -> Href:
        opt_outs = list_opt_outs(tag)
        return Href(
            start=self.find_start(href.start),
            end=self.find_end(href.end),
            opt_outs=opt_outs,
            is_trackable=is_trackable(read_url(href.text), opt_outs),
            url_index=index,
        )


def read_usual_tags(document: str, tokenizer: Tokenizer) -> Iterator[Tag]:
    """The tags of a regular document. Raises IrregularError for another one."""
    for token in tokenizer:
        if isinstance(token, Tag):
            if not USUAL_TAG.fullmatch(document, token.start, token.end):
                raise IrregularError
            yield token
        elif "<" in token:
            raise IrregularError


def has_value_at(tag: Tag, offset: int) -> bool:
    """Whether the `href` that counts is the one at `offset`: of two, it is the first one."""
    href = tag.find("href")
    return href is not None and href.start <= offset <= href.end


def may_be_tracked(tag: Tag) -> bool:
    """Whether a tag is a link whose words decide."""
    href = None if tag.is_end or tag.name != "a" else tag.find("href")
    return href is not None and is_trackable(read_url(href.text), list_opt_outs(tag))


def write_words(markup: str) -> str:
    """The words of part of a link: texts, and what images have for one."""
    words: list[str] = []
    position = 0
    for tag in MARKUP.finditer(markup):
        words += (unescape(markup[position : tag.start()]), unescape(find_alt(tag[0])))
        position = tag.end()
    return "".join([*words, unescape(markup[position:])])


def find_alt(tag: str) -> str:
    if tag.startswith(("<!", "</")):
        return ""
    alts = (match for match in ATTRIBUTE.finditer(tag) if match[1].lower() == "alt")
    alt = next(alts, None)
    return alt[alt.lastindex or 1] if alt and alt.lastindex != 1 else ""


def find_edge(words: str, whole: re.Pattern[str], position: int) -> Edge:
    """The kind of edge beside `words`, whose first (0) or last (-1) character is the neighbour."""
    if whole.search(words):
        return Edge.WHOLE
    return Edge.PART if words and LETTER.match(words[position]) else Edge.CLOSED
