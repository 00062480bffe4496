"""What was found in one rendering of a template, for others that differ from it in printed values alone.

A skeleton is told by the template's own texts, and by where values stand between them. A value is inert if it has no
markup: all readers of HTML then see the same tags in the same order, and only places move. What a value may still
change, the URL and the words of a link, is looked at for each document. `tell` returns None where it is not certain
that the whole document would be read so; the whole document is read then.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from html import unescape
from itertools import accumulate
from typing import NamedTuple

from delivery.html.tokenizer import unescape_attribute
from templates_app.liquid.environment import TemplateText
from tracking.engagement.link_rules import Found, is_trackable, read_url

# Values, a line end between two: no markup, no quotes, and of character references those that escaping writes.
INERT = re.compile(r"(?:[^<>&\"'\x00-\x08\x0b\x0c\x0e-\x1f\x7f]++|&(?:amp|lt|gt|quot|#34|#39);)*+")
WORD = "unsubscribe"
OPT_OUT_WORD = re.compile(WORD, re.IGNORECASE)
# A value that ends the word, begins it, or stands within it.
ENDING = re.compile(rf"(?:{'|'.join(WORD[at:] for at in range(1, len(WORD)))})(?!\w)", re.IGNORECASE)
BEGINNING = re.compile(rf"(?<!\w)(?:{'|'.join(WORD[:at] for at in range(1, len(WORD)))})\Z", re.IGNORECASE)
INNER = re.compile(f"[{WORD}]+", re.IGNORECASE)
# The template's texts in order, and None for each value. Hashing is cheap: a text keeps its hash.
Texts = tuple[str | None, ...]


def split(pieces: Sequence[str]) -> tuple[Texts, list[str]]:
    """The texts of a rendering's pieces, and its values, both in order."""
    texts = tuple([piece if type(piece) is TemplateText else None for piece in pieces])
    return texts, [piece for piece in pieces if type(piece) is not TemplateText]


def are_inert(values: Sequence[str]) -> bool:
    return INERT.fullmatch("\n".join(values)) is not None


class Place(NamedTuple):
    """An offset in every document of a skeleton: so many characters of texts, and the first so many values."""

    text_size: int
    value_count: int


class Href(NamedTuple):
    """An `href` with values: the attributes that may turn its tracking off, whether the URL of the first document was
    to be tracked by all rules but those for words, and its index in `urls` if it is tracked.
    """

    start: Place
    end: Place
    opt_outs: Mapping[str, str]
    is_trackable: bool
    url_index: int | None

    def read(self, value: str) -> str | None:
        """The URL, if `value` is judged as that of the first document; None if not."""
        url = read_url(unescape_attribute(value))
        if is_trackable(url, self.opt_outs) != self.is_trackable:
            return None
        # html.parser resolves more references (`&copy=`), some of its versions fewer than others.
        if "&" in value and is_trackable(read_url(unescape(value)), self.opt_outs) != self.is_trackable:
            return None
        return url


class Edge(Enum):
    """What stands beside a value among the words of a link."""

    # Nothing, or a character that is not in "unsubscribe".
    CLOSED = auto()
    # A letter of it, or another value: together they may say it.
    PART = auto()
    # All of it, or something that is not known: a letter beside it makes another word.
    WHOLE = auto()


class Word(NamedTuple):
    """A value that may be among the words of a link."""

    value_index: int
    before: Edge
    behind: Edge

    def admits(self, value: str) -> bool:
        """Whether `value` neither says "unsubscribe" nor makes or breaks the word together with its neighbours."""
        # Without a value there may be one node less, and the nodes are counted.
        if not value or OPT_OUT_WORD.search(value):
            return False
        if self.before is self.behind is Edge.CLOSED:
            return True
        if INNER.fullmatch(value) or (self.before is not Edge.CLOSED and ENDING.match(value)):
            return False
        if self.behind is not Edge.CLOSED and BEGINNING.search(value):
            return False
        return not (
            (self.before is Edge.WHOLE and is_of_word(value[0]))
            or (self.behind is Edge.WHOLE and is_of_word(value[-1]))
        )


def is_of_word(character: str) -> bool:
    """As `\\w` of the module re."""
    return character.isalnum() or character == "_"


def ends_no_comment(value: str) -> bool:
    """Whether a value changes nothing in a comment that has no `--` around it."""
    return "--" not in value and not value.startswith("-") and not value.endswith("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """What all documents with the same texts have in common.

    `places` as those of `Found`; `urls` too, where those with values are empty. `comments` are the indices of the
    values within comments.
    """

    places: Sequence[Place]
    urls: Sequence[str]
    hrefs: Sequence[Href]
    words: Sequence[Word]
    comments: Sequence[int]

    def tell(self, document: str, values: Sequence[str]) -> Found | None:
        """What reading the whole of `document` would find; None if that is not certain."""
        if not are_inert(values) or not all(ends_no_comment(values[index]) for index in self.comments):
            return None
        if not all(word.admits(values[word.value_index]) for word in self.words):
            return None
        sizes = list(accumulate(map(len, values), initial=0))
        urls = list(self.urls)
        for href in self.hrefs:
            start, end = (place.text_size + sizes[place.value_count] for place in (href.start, href.end))
            url = href.read(document[start:end])
            if url is None:
                return None
            if href.url_index is not None:
                urls[href.url_index] = url
        return Found(urls=tuple(urls), places=tuple([size + sizes[count] for size, count in self.places]))
