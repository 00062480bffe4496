"""The pages of /docs: complete, offline, readable without scripts, without dead links."""

import html
import re
from functools import cache
from html.parser import HTMLParser
from urllib.parse import urldefrag

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client

from accounts import scopes
from emailsvc.documentation.pages import list_pages, url_of
from emailsvc.documentation.search import cut_excerpt
from emailsvc.documentation.views import API, groups, list_sections, read_cached_page

NAMES = sorted({name for names in list_pages().values() for name in names})
URLS = ["/docs", "/docs/search?q=webhook", *(f"/docs/{name}" for name in NAMES)]


class Page(HTMLParser):
    """What a page holds, by its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str, attribute: str) -> list[str]:
        return [values[attribute] for name, values in self.tags if name == tag and attribute in values]

    @property
    def ids(self) -> list[str]:
        return [values["id"] for _, values in self.tags if "id" in values]


def get(url: str) -> str:
    answer = Client().get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


@cache
def ask(url: str) -> HttpResponse:
    """The answer that several tests read; made once, since a page is made anew for each request."""
    answer = Client().get(url)
    assert answer.status_code == 200, url
    return answer


@cache
def read(url: str) -> Page:
    return Page(ask(url).content.decode())


def list_urls() -> list[str]:
    return [*URLS, *dict.fromkeys(re.findall(r'href="(/docs/api/[a-z]+)"', ask("/docs").content.decode()))]


def test_the_navigation_has_each_page_and_group_under_its_title() -> None:
    shown = {link.url: link.title for section in list_sections() for link in section.links}
    read = {url_of(name): read_cached_page(name).title for name in NAMES}
    assert shown == read | {f"{API}/{group.tag}": group.title for group in groups().values()}


def test_every_page_is_offline_and_runs_no_inline_script():
    for url in list_urls():
        answer = ask(url)
        text = answer.content.decode()
        policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
        assert policy["style-src"] == ("'self' 'unsafe-inline'" if url == "/docs" else "'self'")
        assert not re.findall(r"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=", text), url
        page = read(url)
        loaded = [*page.all("script", "src"), *page.all("link", "href"), *page.all("img", "src")]
        assert all(each.startswith("/") and not each.startswith("//") for each in loaded), url
        assert [each for each in loaded if each.startswith("/static/") and not finders.find(each[8:])] == []
        assert "sessionid" not in answer.cookies


def test_every_link_leads_to_a_page_and_to_a_part_of_it():
    pages = {urldefrag(url).url: read(url) for url in list_urls()}
    for url, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), url
        for link in page.all("a", "href"):
            target, part = urldefrag(link)
            if target.startswith("/docs") or not target:
                found = pages.get(target or url) or read(target)
                assert not part or part in found.ids, (url, link)
            else:
                assert target.startswith(("/", "https://", "http://testserver", "http://127.0.0.1:8000/")), (url, link)


def test_pages_lead_from_one_to_the_next_and_back():
    url, seen = "/docs/quickstart", []
    while url:
        seen.append(url)
        page = read(url)
        links = {values.get("rel", ""): values["href"] for tag, values in page.tags if tag == "a"}
        assert links.get("prev") == (seen[-2] if len(seen) > 1 else None)
        assert page.all("a", "aria-current").count("page") >= 1
        url = links.get("next", "")
    assert set(seen) == set(list_urls()) - {"/docs", "/docs/search?q=webhook"}


@pytest.mark.parametrize("url", ["/docs/nothing", "/docs/api/nothing", "/docs/..%2FREADME", "/docs/api"])
def test_an_unknown_page_is_not_found(url):
    assert Client().get(url).status_code == 404


def test_a_slash_at_the_end_does_no_harm():
    assert Client().get("/docs/webhooks/")["Location"] == "/docs/webhooks"
    assert Client().get("/docs/")["Location"] == "/docs"


def test_the_search_finds_sections_by_all_words():
    text = get("/docs/search?q=secret+rotation")
    assert 'href="/docs/webhooks#rotate-the-secret"' in text
    assert "list_webhook_deliveries" in get("/docs/search?q=list_webhook_deliveries")
    assert "0 results" in get("/docs/search?q=zebra+xylophone")
    assert "&lt;script&gt;" in get("/docs/search?q=<script>")
    assert "<script>alert" not in get("/docs/search?q=<script>alert(1)</script>")
    assert get("/docs/search")


def test_samples_name_this_service_and_hold_no_key(settings):
    settings.PUBLIC_URL = "https://mail.service.test"
    for url in ("/docs", "/docs/quickstart", "/docs/api/emails"):
        text = html.unescape(re.sub(r"<[^>]+>", "", get(url)))
        assert "https://mail.service.test/api/v1/emails" in text
        assert "127.0.0.1:8000/api" not in text
        assert "EMAILSVC_KEY" in text
        assert not re.search(r"es_(?:live|test)_\w", text)


def test_days_in_examples_lie_ahead():
    text = get("/docs/sending")
    assert "2030-01" not in text
    assert re.search(r"scheduled_at.{1,60}20\d\d-\d\d-\d\dT09:00:00Z", re.sub(r"<[^>]+>", "", text))


def test_scopes_of_operations_are_those_that_there_are():
    for tag in dict.fromkeys(re.findall(r"/docs/api/([a-z]+)", get("/docs"))):
        named = set(re.findall(r"Needs the scope <code>([a-z:]+)</code>", get(f"/docs/api/{tag}")))
        assert named <= scopes.KNOWN


def test_an_excerpt_has_whole_words_around_the_word():
    body = "one two three " * 20 + "needle " + "four five six " * 20
    excerpt = cut_excerpt(body, "needle")
    assert " needle " in excerpt
    assert excerpt.startswith("… ")
    assert excerpt.endswith(" …")
    assert set(excerpt.split()) <= {*body.split(), "…"}
    assert cut_excerpt("short", "absent") == "short"


def test_every_page_is_markdown_too_with_absolute_links(settings):
    settings.PUBLIC_URL = "https://mail.service.test"
    index = Client().get("/llms.txt")
    assert index["Content-Type"] == "text/markdown; charset=utf-8"
    listed = re.findall(r"\]\(https://mail\.service\.test(/docs/[a-z-]+\.md)\)", index.content.decode())
    assert sorted(listed) == [f"/docs/{name}.md" for name in NAMES]
    find_ids = cache(lambda url: set(Page(get(url)).ids))
    for url in listed:
        answer = Client().get(url)
        assert answer["Content-Type"] == "text/markdown; charset=utf-8"
        text = answer.content.decode()
        assert text.startswith("# ")
        assert "127.0.0.1:8000/" not in text
        assert "<!-- here" not in text
        prose = re.sub(r"^```.*?^```|`[^`]*`", "", text, flags=re.MULTILINE | re.DOTALL)
        links = re.findall(r"\]\(([^)\s]+)\)", prose)
        assert [link for link in links if not link.startswith("https://")] == [], url
        for link in {link for link in links if "/docs/" in link and "service.test" in link}:
            target, part = urldefrag(link.removeprefix(settings.PUBLIC_URL))
            assert not part or part in find_ids(target.removesuffix(".md")), (url, link)
    assert "| 422 | `invalid_fields` |" in get("/docs/errors.md")
    assert "```bash\ncurl " in get("/docs/sending.md")
    assert Client().get("/docs/nothing.md").status_code == 404


def test_a_page_names_its_text_in_its_head():
    links = [values for tag, values in Page(get("/docs/sending")).tags if tag == "link"]
    texts = [each["href"] for each in links if each.get("type") == "text/markdown"]
    assert texts == ["/llms.txt", "/docs/sending.md"]
    assert 'href="/llms.txt"' in get("/docs")


def test_the_pictures_of_a_page_are_served_and_unknown_ones_are_404():
    pictures = [url for url in Page(get("/docs/operations")).all("img", "src") if "/docs/images/" in url]
    assert len(pictures) >= 3
    for url in pictures:
        answer = Client().get(url)
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
        assert answer.content.startswith(b"\x89PNG")
    assert "](http" in Client().get("/docs/operations.md").content.decode().partition("![The overview")[2][:200]
    for name in ("unknown", "..%2farchitecture"):
        assert Client().get(f"/docs/images/{name}.png").status_code == 404
