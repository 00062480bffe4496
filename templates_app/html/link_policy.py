"""Allowed link targets: checked in the rendered HTML, since a variable may contain any address.

Values of `href` may be http, https, mailto, tel and sms, a fragment, a relative address, or the placeholder for the
unsubscribe link; images may be inlined. Attributes are read as browsers read them: entities decoded, blanks and
control characters dropped, names in any case.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from html import unescape

WEB = frozenset({"http", "https"})
SCHEMES: Mapping[str, frozenset[str]] = {
    "href": WEB | {"mailto", "tel", "sms"},
    "src": WEB | {"cid", "data"},
    "action": WEB,
}
COMMON = ("https://", "http://", "mailto:")
# Characters that may precede an attribute's name: `formaction` and `xlink:href` work like the bare names.
BEFORE = frozenset(" \t\n\f\r/\"':m")
ASSIGNMENT = re.compile(r"[ \t\n\f\r]*=[ \t\n\f\r]*(?:\"([^\"]*)|'([^']*)|([^ \t\n\f\r>]*))")
IGNORED = re.compile(r"[\x00-\x20\x7f-\xa0]")
HEAD = re.compile(r"[^/?#]*")


def find_unsafe_link(html: str, more: Collection[str] = ()) -> str | None:
    """The first forbidden address in `html`, in lower case; None if all are allowed.

    `more` are the schemes that the project allows in links (`href`) beside the usual ones.
    """
    lower = html.lower()
    edges: Edges | None = None
    for name, usual in SCHEMES.items():
        schemes = usual.union(more) if name == "href" else usual
        for start, end in find_values(lower, name):
            # This line decides nearly all addresses.
            if lower.startswith(COMMON, start) or is_allowed(lower[start:end], schemes):
                continue
            edges = edges or Edges(lower)
            if not edges.is_text(start):
                return lower[start:end]
    return None


def find_values(lower: str, name: str) -> Iterator[tuple[int, int]]:
    """The positions of the values of each `name` that looks like an attribute."""
    position = lower.find(name)
    while position >= 0:
        end = position + len(name)
        if lower[position - 1 : position] in BEFORE and (match := ASSIGNMENT.match(lower, end)):
            yield match.span(match.lastindex or 0)
        position = lower.find(name, end)


def is_allowed(address: str, schemes: frozenset[str]) -> bool:
    """Whether `address` has no scheme or one of `schemes`."""
    head = HEAD.match(address)
    # Most addresses are plain and decided here; `&` may encode a colon.
    if "&" in address[: len(address) if head is None else head.end() + 1]:
        head = HEAD.match(unescape(address))
    scheme, colon, _ = (head[0] if head else "").partition(":")
    return not colon or IGNORED.sub("", scheme) in schemes


class Edges:
    """Distinguishes text from tags. In doubt it assumes a tag."""

    def __init__(self, html: str) -> None:
        self.brackets = [match.start() for match in re.finditer("[<>]", html)]
        self.html = html
        self.tags = list(find_tags(html))

    def is_text(self, position: int) -> bool:
        """Whether `position` is outside of every tag, both when quotes are parsed and when they are not."""
        before = bisect_right(self.brackets, position) - 1
        opens_tag = before >= 0 and self.html[self.brackets[before]] == "<"
        tag = bisect_right(self.tags, (position, position)) - 1
        return not opens_tag and not (tag >= 0 and position < self.tags[tag][1])


TAG_START = re.compile(r"<(?:(!--)|[a-zA-Z/!?])")
TAG_STEP = re.compile(r"[^\"'>]*([\"'>])")


def find_tags(html: str) -> Iterator[tuple[int, int]]:
    """Start and end of every tag and comment, in order; an unclosed one reaches to the end."""
    position = 0
    while start := TAG_START.search(html, position):
        position = find_end(html, start)
        yield start.start(), position


def find_end(html: str, start: re.Match[str]) -> int:
    if start[1]:
        end = html.find("-->", start.end())
        return end + 3 if end >= 0 else len(html)
    position = start.end()
    while step := TAG_STEP.match(html, position):
        position = step.end()
        if step[1] == ">":
            return position
        # After the quote that ends the value.
        position = html.find(step[1], position) + 1 or len(html)
    return len(html)
