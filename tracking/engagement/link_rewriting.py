"""Builds one recipient's HTML: inserts its links and the pixel at the places that were found at accept.

Everything else stays byte for byte: comments for Outlook, entities, unusual quotes.
"""

import html
from bisect import bisect_left
from collections.abc import Callable, Sequence

QUOTES = frozenset("\"'")

Wrap = Callable[[int], str]


def splice(document: str, places: Sequence[int], wrap: Wrap | None, pixel: str = "") -> str:
    """Replace the URL of link number n by `wrap(n)`, and insert the HTML `pixel`.

    `places` are those of `link_finding.Found`. Without `wrap` the links do not change.
    """
    pixel_at = places[0]
    if wrap is None:
        return f"{document[:pixel_at]}{pixel}{document[pixel_at:]}"
    parts: list[str] = []
    position = 0
    # The number of links before the pixel.
    pixel_index = bisect_left(places, pixel_at, 1) // 2
    for index, (start, end) in enumerate(zip(places[1::2], places[2::2], strict=True)):
        if index == pixel_index:
            parts += (document[position:pixel_at], pixel)
            position = pixel_at
        url = wrap(index)
        # Half the time of a regular expression.
        if "&" in url or "<" in url or ">" in url or '"' in url or "'" in url:
            url = html.escape(url)
        # An unquoted value gets quotes.
        parts += (document[position:start], url if document[start - 1] in QUOTES else f'"{url}"')
        position = end
    if pixel_index >= len(places) // 2:
        parts += (document[position:pixel_at], pixel)
        position = pixel_at
    parts.append(document[position:])
    return "".join(parts)
