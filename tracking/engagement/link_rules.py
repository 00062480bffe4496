"""The rules for tracked links, shared by the tokenizer and BeautifulSoup."""

import re

LINK_NAMES = frozenset({"a", "area"})
WEB_URL = re.compile(r"https?://[^/?#\s\\]", re.IGNORECASE)
UNTRACKED = re.compile(r"unsubscribe|\{\{", re.IGNORECASE)
OPT_OUT_TEXT = re.compile(r"\bunsubscribe\b", re.IGNORECASE)
URL_NOISE = str.maketrans("", "", "\t\r\n")  # WHATWG URL, 4.4: every browser drops these


def read_url(href: str) -> str:
    """The URL that a browser follows for an `href`, whose character references are already resolved."""
    return href.translate(URL_NOISE).strip(" \f")


def is_trackable(url: str, data_track: str | None) -> bool:
    """Whether to track an http or https URL: no "unsubscribe", no placeholder, no `data-track="false"`."""
    if data_track is not None and data_track.strip().lower() == "false":
        return False
    return bool(WEB_URL.match(url)) and not UNTRACKED.search(url)
