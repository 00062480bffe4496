"""HTML of real senders and known problem cases, if their folder is available."""

from pathlib import Path
from typing import Any

from bs4.exceptions import ParserRejectedMarkup

from tests.needs import NOT_SHARED, SHARED
from tracking.engagement.link_finding import LinkFinder
from tracking.engagement.link_rewriting import splice
from tracking.engagement.soup import PlaceBuilder

REAL_MAILS = sorted((SHARED / "corpora/html").glob("*.html")) if SHARED else []
# For parametrize: says so where the samples are missing.
MAILS = REAL_MAILS or NOT_SHARED
CASES = sorted((SHARED / "cases/tracking").glob("*.html")) if SHARED else []
CUT_SHORT = [path for path in CASES if "cut" in path.stem or "comment" in path.stem] or NOT_SHARED
PIXEL = '<img src="https://t.test/o/1" alt="">'


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


class RefusingBuilder(PlaceBuilder):
    """BeautifulSoup's way to give up."""

    def feed(self, markup: Any) -> None:
        raise ParserRejectedMarkup("refused")


def name_sample(path: Path | None) -> str | None:
    """How a sample is called in a test's id."""
    return path and path.stem


def wrap(index: int) -> str:
    return f"https://t.test/c/{index}"


def rewrite(html: str, pixel: str = "", finder: LinkFinder | None = None) -> str:
    """`html` with its links wrapped, as accept and delivery do it one after the other."""
    return splice(html, (finder or LinkFinder()).find(html).places, wrap, pixel)
