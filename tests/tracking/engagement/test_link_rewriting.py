"""Only the wrapped `href`s and the pixel differ from the sender's HTML."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracking.engagement.html_files import MAILS, PIXEL, name_sample, read, rewrite, wrap
from tracking.engagement.link_finding import LinkFinder
from tracking.engagement.link_rewriting import splice


def find_places(html: str) -> tuple[int, ...]:
    return LinkFinder().find(html).places


def restored(html: str) -> str:
    """`html` rewritten, and then with the pixel and each wrapped URL taken back by their text alone."""
    places = find_places(html)
    spliced = splice(html, places, wrap, PIXEL)
    assert spliced.count(PIXEL) == 1
    spliced = spliced.replace(PIXEL, "")
    for index, (start, end) in reversed(list(enumerate(zip(places[1::2], places[2::2], strict=True)))):
        new = wrap(index) if html[start - 1] in "\"'" else f'"{wrap(index)}"'
        assert spliced.count(new) >= 1
        at = spliced.rindex(new)
        spliced = spliced[:at] + html[start:end] + spliced[at + len(new) :]
    return spliced


@pytest.mark.parametrize("path", MAILS, ids=name_sample)
def test_real_mails_differ_in_links_and_pixel_only(path: Path) -> None:
    html = read(path)
    with_urls = re.sub(r'href="\{\{(\w+)\}\}"', r'href="https://acme.test/\1?a=1&amp;b=2#c"', html)
    for document in (html, with_urls, with_urls.replace("\n", "\r\n"), with_urls.replace('href="', 'HREF = "')):
        places = find_places(document)
        assert restored(document) == document
        assert splice(document, places, None) == document
        assert f"{PIXEL}</body>" in splice(document, places, wrap, PIXEL)
        assert len(places) == 1 + 2 * len(re.findall(r'<a\s[^>]*href ?= ?"https?:', document, re.IGNORECASE))
    assert len(find_places(with_urls)) >= 5


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<a href="https://x.test/">t</a>', '<a href="https://t.test/c/0">t</a>'),
        ("<a href='https://x.test/'>t</a>", "<a href='https://t.test/c/0'>t</a>"),
        ("<a href=https://x.test/>t</a>", '<a href="https://t.test/c/0">t</a>'),
        ("<A\n HREF = HTTPS://X.test CLASS=b>t</A>", '<A\n HREF = "https://t.test/c/0" CLASS=b>t</A>'),
        ('<a title=">" href="http://x.test"class=b>t', '<a title=">" href="https://t.test/c/0"class=b>t'),
        ('<a href="https://x.test" href="https://y.test">t', '<a href="https://t.test/c/0" href="https://y.test">t'),
        ('<a href=" https://x.test ">t', '<a href="https://t.test/c/0">t'),
        ('<area href="https://x.test"/>', '<area href="https://t.test/c/0"/>'),
        ('<a href="https://x.test/"><a href="https://y.test/">', '<a href="https://t.test/c/0"><a href="https://t.test/c/1">'),
        ('<base href="https://b.test/"><a href="https://x.test/">', '<base href="https://b.test/"><a href="https://t.test/c/0">'),
        ("<p>1 < 2 <a href=https://x.test>t", '<p>1 < 2 <a href="https://t.test/c/0">t'),
        ("<![if !mso]><a href='https://x.test'>t</a><![endif]>", "<![if !mso]><a href='https://t.test/c/0'>t</a><![endif]>"),
        ("<!--[if !mso]><!--><a href='https://x.test'>", "<!--[if !mso]><!--><a href='https://t.test/c/0'>"),
    ],
)  # fmt: skip
def test_links_are_wrapped_in_place(html: str, expected: str) -> None:
    assert rewrite(html) == expected
    assert splice(html, find_places(html), None) == html


def test_a_wrapped_url_is_escaped_for_its_place() -> None:
    def evil(index: int) -> str:
        return "https://x.test/&\"'><b>"

    written = "https://x.test/&amp;&quot;&#x27;&gt;&lt;b&gt;"
    for html, expected in [
        ("<a href='https://x.test/'>", f"<a href='{written}'>"),
        ("<a href=https://x.test/>", f'<a href="{written}">'),
    ]:
        assert splice(html, find_places(html), evil) == expected


def test_each_link_has_its_index_and_url() -> None:
    html = "".join(f'<a href="https://x.test/{n}">t</a>' for n in (1, 2, 2))
    found = LinkFinder().find(html)
    assert found.urls == ("https://x.test/1", "https://x.test/2", "https://x.test/2")
    assert splice(html, found.places, lambda index: found.urls[index]) == html


PIECES = [
    "<a ", "<area ", "href", "=", '"', "'", "https://x.test/", ">", "</a>", "</body>", "<!--", "-->", " ", "\n", "/",
    "<", "<style>", "</style>", "data-track=false", "&amp;", "x",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_html_can_be_put_back(html: str) -> None:
    assert splice(html, find_places(html), None) == html
    assert restored(html) == html
