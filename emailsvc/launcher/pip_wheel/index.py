"""Links from an index's project page (PEP 503 in HTML, PEP 691 in JSON), from a page of links, and from a folder."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from emailsvc.launcher.pip_wheel.web import NotFoundError, SourceError, Web, copy_body

JSON = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True)
class Link:
    """A file's location, and the SHA-256 that its source states, if any."""

    url: str
    sha256: str = ""

    @property
    def name(self) -> str:
        return unquote(urlsplit(self.url).path.rpartition("/")[2])


def find_links(web: Web, place: str) -> list[Link]:
    """Links of a folder, a file with links or a URL; empty if there is nothing."""
    path = find_path(place)
    if path is None:
        return read_index_page(web, place)
    try:
        return read_path(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"it cannot be read ({error})") from error


def read_path(path: Path) -> list[Link]:
    if path.is_dir():
        return [Link(file.as_uri()) for file in sorted(path.iterdir()) if file.is_file()]
    return list(parse_html(path.read_text("utf-8"), path.as_uri())) if path.is_file() else []


def find_project_links(web: Web, index: str, project: str) -> list[Link]:
    """Links of a project's page in an index."""
    url = f"{index.rstrip('/')}/{project}/"
    path = find_path(url)
    page = path / "index.html" if path else None
    return find_links(web, str(page if page and page.is_file() else path or url))


def find_path(place: str) -> Path | None:
    """The path that a `file:` URL or a path names."""
    scheme = urlsplit(place).scheme
    if scheme == "file":
        return Path(url2pathname(urlsplit(place).path)).resolve()
    return None if scheme else Path(place).expanduser().resolve()


def read_index_page(web: Web, url: str) -> list[Link]:
    body = BytesIO()
    try:
        with web.open(url, ACCEPT) as answer:
            copy_body(answer, body)
            # The page's final URL after redirects: links are relative to it.
            kind, base = answer.headers.get_content_type(), answer.url
    except NotFoundError:
        return []
    text = body.getvalue().decode("utf-8", "replace")
    try:
        return list(parse_json(json.loads(text), base) if kind == JSON else parse_html(text, base))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError("its response is not that of a package index") from error


def parse_json(page: dict[str, Any], base: str) -> Iterator[Link]:
    for file in page["files"]:
        yield Link(urljoin(base, file["url"]), file["hashes"].get("sha256", ""))


def parse_html(text: str, base: str) -> Iterator[Link]:
    parser = Anchors()
    parser.feed(text)
    base = urljoin(base, parser.base)
    for address in parser.addresses:
        url, fragment = urldefrag(urljoin(base, address))
        name, _, value = fragment.partition("=")
        yield Link(url, value if name == "sha256" else "")


class Anchors(HTMLParser):
    """Collects the targets of a page's anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        if address and tag == "a":
            self.addresses.append(address)
        elif address and tag == "base":
            self.base = self.base or address
