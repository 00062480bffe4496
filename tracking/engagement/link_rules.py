"""The rules for tracked links, shared by the tokenizer and BeautifulSoup."""

import re
from collections.abc import Callable, Mapping

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
URL_NOISE = str.maketrans("", "", "\t\r\n")  # WHATWG URL, 4.4: every browser drops these


def read_url(href: str) -> str:
    """The URL that a browser follows for an `href`, whose character references are already resolved."""
    return href.translate(URL_NOISE).strip(" \f")


def is_trackable(url: str, find_attribute: Callable[[str], str | None]) -> bool:
    """Whether to track an http or https URL: no "unsubscribe", no placeholder, no attribute of `OPT_OUTS`."""
    if not WEB_URL.match(url) or UNTRACKED.search(url):
        return False
    return not any(says_no(find_attribute(name), values) for name, values in OPT_OUTS.items())


def says_no(value: str | None, values: frozenset[str]) -> bool:
    """Whether an attribute is there and has one of `values`; any value where none are listed."""
    return value is not None and (not values or value.strip().lower() in values)
