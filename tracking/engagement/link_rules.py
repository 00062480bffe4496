"""The rules for tracked links, shared by the tokenizer and BeautifulSoup, and what is found by them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from delivery.html.tokenizer import Tag

LINK_NAMES = frozenset({"a", "area"})
WEB_URL = re.compile(r"https?://[^/?#\s\\]", re.IGNORECASE)
UNTRACKED = re.compile(r"unsubscribe|\{\{", re.IGNORECASE)
OPT_OUT_TEXT = re.compile(r"\bunsubscribe\b", re.IGNORECASE)
# Attributes that turn off the tracking of a link, with the values that do so (none: any value). Ours first; the others
# are those of SendGrid, Postmark, SES, Mailgun, SparkPost and Mandrill, so that a moved template keeps its meaning.
OFF = frozenset({"false", "off", "no", "0"})
OPT_OUTS: Mapping[str, frozenset[str]] = {
    "data-track": OFF,
    "clicktracking": OFF,
    "data-clicktracking": OFF,
    "data-pm-no-track": frozenset(),
    "ses:no-track": frozenset(),
    "disable-tracking": frozenset({"true", "1", "yes", ""}),
    "data-msys-clicktrack": OFF,
    "mc:disable-tracking": frozenset(),
}
# Most links have none of these, and need no look at their attributes one by one.
MAY_OPT_OUT = re.compile("track", re.IGNORECASE)
assert all(MAY_OPT_OUT.search(name) for name in OPT_OUTS)
URL_NOISE = str.maketrans("", "", "\t\r\n")  # WHATWG URL, 4.4: every browser drops these


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The places to change in a document, as offsets in characters.

    `places` has the pixel's offset, then for each link the begin and the end of its `href` value. `urls` has the links'
    targets in the same order.
    """

    urls: tuple[str, ...]
    places: tuple[int, ...]


def read_url(href: str) -> str:
    """The URL that a browser follows for an `href`, whose character references are already resolved."""
    return href.translate(URL_NOISE).strip(" \f")


def is_trackable(url: str, attributes: Mapping[str, object]) -> bool:
    """Whether to track an http or https URL: no "unsubscribe", no placeholder, no attribute of `OPT_OUTS`.

    `attributes` has the link's, "" for one without a value; those that are not in `OPT_OUTS` do not matter.
    """
    if not WEB_URL.match(url) or is_untracked(url):
        return False
    return not any(says_no(str(attributes[name]), OPT_OUTS[name]) for name in attributes.keys() & OPT_OUTS.keys())


def is_untracked(url: str) -> bool:
    """Whether a URL unsubscribes or holds a placeholder. Most are ASCII, of which a plain search takes a quarter."""
    if not url.isascii():
        return bool(UNTRACKED.search(url))
    return "{{" in url or "unsubscribe" in url.lower()


def list_opt_outs(tag: Tag) -> Mapping[str, str]:
    """The attributes of a link that may turn off its tracking."""
    if not MAY_OPT_OUT.search(tag.attributes):
        return {}
    return {name: value for name in OPT_OUTS if (value := tag.get(name)) is not None}


def says_no(value: str, values: frozenset[str]) -> bool:
    """Whether an attribute's value is one of `values`; any value where none are listed."""
    return not values or value.strip().lower() in values
