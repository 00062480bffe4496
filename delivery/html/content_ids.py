"""The `cid:` URLs by which HTML shows parts of its own mail (RFC 2392)."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from delivery.html.tokenizer import VALUE, Tag, Tokenizer, unescape_attribute

# Attributes whose value is one URL, in HTML and in Outlook's VML.
URL_ATTRIBUTES = frozenset(
    {
        *("action", "background", "cite", "data", "dynsrc", "formaction", "href", "icon", "longdesc", "lowsrc"),
        *("o:href", "poster", "src", "v:src", "xlink:href"),
    }
)
URL_LISTS = frozenset({"imagesrcset", "srcset"})
URL = re.compile(r"[\t\n\f\r ]*cid:(.*)", re.IGNORECASE | re.DOTALL)
LISTED = re.compile(r"(?:^|[\s,])cid:([^\s,]+)", re.IGNORECASE)
# Possessive, so that no run of white space is gone through twice.
STYLED = re.compile(r"""(?:url\(\s*+|@import\s++)["']?\s*+cid:([^"')\s;]+)""", re.IGNORECASE)
CONDITION = re.compile(r"<!--\[if[^\]]*\]>", re.IGNORECASE)


def find_content_ids(document: str) -> frozenset[str]:
    """The ids that attributes, styles and Outlook's conditional comments refer to, as written and percent-decoded.

    Text that only looks like such a URL does not count, neither does the beginning of another id.
    """
    return frozenset(
        form
        for found in list_references(document)
        for written in (found, found.partition("#")[0])
        for form in (written, unquote(written))
    )


def list_references(document: str, *, is_comment: bool = False) -> Iterator[str]:
    tokenizer = Tokenizer(document)
    is_style = False
    for token in tokenizer:
        if isinstance(token, Tag):
            is_style = token.name == "style" and not token.is_end
            yield from list_in_tag(token)
        elif is_style:
            yield from STYLED.findall(token)
    for start, end in () if is_comment else tokenizer.comments:
        # Outlook reads what other programs take for a comment.
        if condition := CONDITION.match(document, start, end):
            inner = document[condition.end() : end].removesuffix("<![endif]-->")
            yield from list_references(inner, is_comment=True)


def list_in_tag(tag: Tag) -> Iterator[str]:
    for found in VALUE.finditer(tag.attributes):
        name = found["name"].lower()
        value = unescape_attribute(found["double"] or found["single"] or found["bare"] or "")
        if name in URL_LISTS:
            yield from LISTED.findall(value)
        elif name in URL_ATTRIBUTES:
            if url := URL.match(value):
                yield url[1].strip()
        else:
            yield from STYLED.findall(value)
