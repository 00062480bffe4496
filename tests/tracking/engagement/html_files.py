"""HTML of real senders and of cases that went wrong elsewhere, where the folder that holds them is at hand."""

from pathlib import Path

from tracking.engagement.link_finding import LinkFinder
from tracking.engagement.link_rewriting import splice

SHARED = next((found for folder in Path(__file__).resolve().parents if (found := folder / "shared").is_dir()), Path())
MAILS = sorted((SHARED / "corpora" / "html").glob("*.html"))
CASES = sorted((SHARED / "cases" / "tracking").glob("*.html"))
PIXEL = '<img src="https://t.test/o/1" alt="">'


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def wrap(index: int) -> str:
    return f"https://t.test/c/{index}"


def rewrite(html: str, pixel: str = "", finder: LinkFinder | None = None) -> str:
    """`html` with its links wrapped, as accept and delivery do it one after the other."""
    return splice(html, (finder or LinkFinder()).find(html).places, wrap, pixel)
