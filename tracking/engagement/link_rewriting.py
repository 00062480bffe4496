"""One recipient's copy of HTML: its links and the pixel put in at the places that were found when it was accepted.

Everything that is not a wrapped `href` or the pixel stays byte for byte: comments for Outlook, entities, odd quotes.
"""

import html
import re
from collections.abc import Callable, Sequence

NEEDS_ESCAPE = re.compile("[&<>\"']")

Wrap = Callable[[int], str]


def splice(document: str, places: Sequence[int], wrap: Wrap | None, pixel: str = "") -> str:
    """`document` with the URL `wrap(n)` at its link number n, and with `pixel`, which is HTML; without `wrap` links stay.

    `places` are those of `link_finding.Found`.
    """
    pixel_at = places[0]
    changes = [(pixel_at, pixel_at, pixel)]
    if wrap:
        changes += [
            (start, end, write_url(wrap(index), is_quoted=document[start - 1] in "\"'"))
            for index, (start, end) in enumerate(zip(places[1::2], places[2::2], strict=True))
        ]
        changes.sort()
    parts: list[str] = []
    position = 0
    for start, end, text in changes:
        parts += (document[position:start], text)
        position = end
    parts.append(document[position:])
    return "".join(parts)


def write_url(url: str, *, is_quoted: bool) -> str:
    """The URL as the value of an attribute, with quotes where it had none."""
    escaped = html.escape(url) if NEEDS_ESCAPE.search(url) else url
    return escaped if is_quoted else f'"{escaped}"'
