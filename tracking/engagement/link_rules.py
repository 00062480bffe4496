"""Which links are tracked, whoever reads them."""

import re

LINK_NAMES = frozenset({"a", "area"})
WEB_URL = re.compile(r"https?://[^/?#\s\\]", re.IGNORECASE)
UNTRACKED = re.compile(r"unsubscribe|\{\{", re.IGNORECASE)
OPT_OUT_TEXT = re.compile(r"\bunsubscribe\b", re.IGNORECASE)
URL_NOISE = str.maketrans("", "", "\t\r\n")  # WHATWG URL, 4.4: every browser drops these


def read_url(href: str) -> str:
    """The URL of an `href` as a browser follows it; `href` is without character references."""
    return href.translate(URL_NOISE).strip(" \f")


def is_trackable(url: str, data_track: str | None) -> bool:
    """True for an http or https URL without "unsubscribe" or a placeholder, unless its tag has opted out."""
    if data_track is not None and data_track.strip().lower() == "false":
        return False
    return bool(WEB_URL.match(url)) and not UNTRACKED.search(url)
