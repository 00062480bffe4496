"""HTML cut into tags and text as the HTML standard's tokenizer does it (13.2.5), in time linear in its length.

No tree is built: with 50,000 nested tags or 100,000 attributes the tree builders that we measured (lexbor, libxml2)
take between four seconds and for ever, or drop the text below their depth limit.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Quantifiers are possessive: nothing is ever tried twice. What ends in an open tag, quote or comment is dropped, as the
# standard says, so that no later "<" begins another search for an end that is not there.
ATTRIBUTE = r"""[^\t\n\f\r />][^\t\n\f\r />=]*+
    (?: [\t\n\f\r ]*+ = [\t\n\f\r ]*+ (?: "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^\t\n\f\r >"'][^\t\n\f\r >]*+ )? )?+"""
MARKUP = re.compile(
    rf"""<(?:
      (?P<slash>/?)(?P<name>[a-zA-Z][^\t\n\f\r />]*+)(?P<attributes>(?:[\t\n\f\r /]++|{ATTRIBUTE})*+)>
    | !--(?:-?>|.*?(?:--!?>|\Z))
    | (?:[!?]|/(?![a-zA-Z]|\Z))[^>]*+(?:>|\Z)
    | /?[a-zA-Z].*+
    )""",
    re.DOTALL | re.VERBOSE,
)
VALUE = re.compile(
    r"""(?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*+)
    (?: [\t\n\f\r ]*+ = [\t\n\f\r ]*+ (?:
        "(?P<double>[^"]*+) "? | '(?P<single>[^']*+) '? | (?P<bare>[^\t\n\f\r >"'][^\t\n\f\r >]*+)
    )? )?+""",
    re.VERBOSE,
)
OVERLONG = re.compile(r"&#(?:[0-9]{100,}|[xX][0-9a-fA-F]{100,});?")

# 13.2.6: what these hold is text, not markup, up to their end tag
RAW = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
RAW_END = {name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE) for name in RAW}


@dataclass(frozen=True, slots=True)
class Tag:
    """A start or end tag; `name` in lower case, `attributes` as written, `is_end` for `</name>`."""

    name: str
    attributes: str
    is_end: bool

    def get(self, attribute: str) -> str | None:
        """The first value of `attribute` (lower case), its character references resolved; None when absent."""
        for match in VALUE.finditer(self.attributes):
            if match["name"].lower() == attribute:
                return unescape(match["double"] or match["single"] or match["bare"] or "")
        return None


def tokens(document: str) -> Iterator[Tag | str]:
    """The tags and the raw, non-empty texts between them, in order; comments, doctype and the like are left out.

    The content of an element such as style or textarea comes as one text between its tags.
    """
    position = 0
    end = len(document)
    search = MARKUP.search
    while match := search(document, position):
        start = match.start()
        if start > position:
            yield document[position:start]
        position = match.end()
        name = match["name"]
        if name is None:
            continue
        name = name.lower()
        yield Tag(name, match["attributes"], match["slash"] == "/")
        if name in RAW and not match["slash"]:
            found = RAW_END[name].search(document, position)
            stop = found.start() if found else end
            if stop > position:
                yield document[position:stop]
            position = stop
    if position < end:
        yield document[position:]


def unescape(text: str) -> str:
    """`text` with character references resolved; a number too long to be a character becomes U+FFFD."""
    if "&" not in text:
        return text
    return html.unescape(OVERLONG.sub("\ufffd", text))  # int() refuses 5,000 digits, and unescape passes that on
