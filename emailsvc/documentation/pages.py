"""Which pages the site has, in which order, and what stands on them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from emailsvc.documentation.inserts import INSERTS, show_table
from emailsvc.documentation.markdown import Document, Site, read_document

# The files have this in place of PUBLIC_URL. Without the slash it stays: the setting's default, the proxy's target.
WRITTEN_URL = "http://127.0.0.1:8000/"
# And for a day so many days from now.
WRITTEN_DAY = re.compile(r"2030-01-(\d\d)")
HOME = "/docs"

# Section → its pages, as files in docs/. One that is in no section comes last.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("quickstart",),
    "Guides": ("sending", "domains", "templates", "tracking", "simulator", "webhooks", "events", "statistics"),
    "Other clients": ("clients", "agents", "smtp", "resend", "postmark", "sendgrid", "mailgun", "ses"),
    "Reference": ("errors", "limits", "settings", "glossary"),
    "Operations": (
        "self-hosting",
        "deployment",
        "esps",
        "operations",
        "people",
        "management",
        "asvs",
        "drills",
        "benchmarks",
        "architecture",
    ),
}
LAST_SECTION = "Operations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A page as the navigation shows it."""

    url: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Pages below one title in the navigation."""

    title: str
    links: Sequence[Link]


def find_folder() -> Path:
    return settings.BASE_DIR / "docs"


def list_pages() -> dict[str, tuple[str, ...]]:
    """`SECTIONS` as far as their files are there, and files that stand in no section."""
    there = {path.stem for path in find_folder().glob("*.md")}
    known = {name for names in SECTIONS.values() for name in names}
    found = {title: tuple(name for name in names if name in there) for title, names in SECTIONS.items()}
    return {**found, LAST_SECTION: (*found[LAST_SECTION], *sorted(there - known))}


def url_of(name: str) -> str:
    return f"{HOME}/{name}"


def has_page(name: str) -> bool:
    return any(name in names for names in list_pages().values())


@lru_cache(maxsize=100)
def read_page(name: str, base: str, today: date) -> Document:
    """A page with examples for the service at `base`. It is read once a day in each process."""
    site = Site(base=base, link_to=url_of, fill=lambda insert: show_table(INSERTS[insert]()))
    return read_document(read_source(name, base, today), site)


@lru_cache(maxsize=100)
def read_title(name: str) -> str:
    """A page's title: for the navigation, since to read all pages takes seconds."""
    with (find_folder() / f"{name}.md").open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()


def read_source(name: str, base: str, today: date) -> str:
    """The Markdown of a page, filled in."""
    return fill_in((find_folder() / f"{name}.md").read_text("utf-8"), base, today)


def fill_in(text: str, base: str, today: date) -> str:
    """The text with the service's own URL, and with days that lie in the future for its days in January 2030."""
    text = text.replace(WRITTEN_URL, f"{base}/")
    return WRITTEN_DAY.sub(lambda match: (today + timedelta(days=int(match[1]))).isoformat(), text)
