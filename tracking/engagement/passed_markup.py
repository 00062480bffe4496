"""Markup that has no part in tracking, and is passed over by one pattern: by the tokenizer and by html.parser alike."""

import re

from delivery.html.tokenizer import RAW
from tracking.engagement.link_rules import LINK_NAMES

BODY_ENDS = frozenset({"body", "html"})
# Elements whose content is not shown, or in which a browser drops an image. The pixel stands before one without an end.
HIDING = frozenset({"select", "template", "noscript", "object", "video", "audio", "canvas"})
# Some version of html.parser reads the text behind these in another way than others (`noscript`, RAW).
NOTED = BODY_ENDS | HIDING | RAW


def any_of(names: frozenset[str]) -> str:
    return "|".join(sorted(names))


# Start tags of the usual form, and end tags, each with the text before it. All versions of html.parser, and browsers,
# end them at the same place: the first `>`.
PASSED = re.compile(
    rf"""(?:[^<]*+<(?:
        (?!(?:{any_of(NOTED | LINK_NAMES)})[\s/>])[a-z][a-z0-9]*+
        (?:\s++[a-z][a-z0-9:_-]*+(?:=(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`/]++))?+)*+\s*+/?
    |
        /(?!(?:{any_of(NOTED)})>)[a-z][a-z0-9]*+
    )>)*+""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


def pass_markup(document: str, start: int) -> int:
    """The end of what has no part in tracking from `start` on, in text outside of links: behind a tag, or `start`."""
    passed = PASSED.match(document, start)
    return passed.end() if passed else start
