"""Only the wrapped `href`s and the pixel differ from what the sender wrote."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import assert_linear
from tracking.engagement.link_rewriting import MAXIMUM_LINKS, segment

MAILS = sorted((Path(__file__).parents[4] / "shared" / "corpora" / "html").glob("*.html"))
PIXEL = '<img src="https://t.test/o/1" alt="">'


def wrap(index: int, _: str) -> str:
    return f"https://t.test/c/{index}"


def rewritten(html: str) -> str:
    return segment(html).splice(wrap)


def restored(html: str) -> str:
    """`html` rewritten, and then with the pixel and each wrapped URL taken back by their text alone."""
    segmented = segment(html)
    spliced = segmented.splice(wrap, PIXEL)
    assert spliced.count(PIXEL) == 1
    spliced = spliced.replace(PIXEL, "")
    for index, slot in reversed(list(enumerate(segmented.link_slots))):
        new = f'"https://t.test/c/{index}"' if slot in segmented.bare_slots else f"https://t.test/c/{index}"
        assert spliced.count(new) >= 1
        at = spliced.rindex(new)
        spliced = spliced[:at] + segmented.parts[slot] + spliced[at + len(new) :]
    return spliced


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_real_mails_differ_in_links_and_pixel_only(path: Path) -> None:
    html = path.read_bytes().decode("utf-8")
    with_urls = re.sub(r'href="\{\{(\w+)\}\}"', r'href="https://acme.test/\1?a=1&amp;b=2#c"', html)
    for document in (html, with_urls, with_urls.replace("\n", "\r\n"), with_urls.replace('href="', 'HREF = "')):
        segmented = segment(document)
        assert restored(document) == document
        assert "".join(segmented.parts) == document
        assert segmented.splice(None) == document
        assert f"{PIXEL}</body>" in segmented.splice(wrap, PIXEL)
        assert len(segmented.links) == len(re.findall(r'<a\s[^>]*href ?= ?"https?:', document, re.IGNORECASE))
    assert len(segment(with_urls).links) >= 2


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
    assert rewritten(html) == expected
    assert segment(html).splice(None) == html


@pytest.mark.parametrize(
    "html",
    [
        "",
        "no markup",
        '<a href="mailto:a@b.test">t</a>',
        '<a href="tel:+491">t</a>',
        '<a href="#top">t</a>',
        '<a href="data:text/html,x">t</a>',
        '<a href="javascript:x()">t</a>',
        '<a href="java\nscript:x()">t</a>',
        '<a href="page.html">t</a>',
        '<a href="//x.test/">t</a>',
        '<a href="/path">t</a>',
        '<a href="https:">t</a>',
        '<a href="https://">t</a>',
        '<a href="http:///x">t</a>',
        '<a href="">t</a>',
        "<a href>t</a>",
        "<a name=x>t</a>",
        '<a href="{{ unsubscribe_url }}">t</a>',
        '<a href="https://x.test/?next={{ unsubscribe_url }}">t</a>',
        '<a href="https://x.test/Unsubscribe?u=1">t</a>',
        '<a href="https://x.test/" data-track="false">t</a>',
        "<a DATA-TRACK=FALSE href=https://x.test/>t</a>",
        "<a data-track=' false ' href=https://x.test/>t</a>",
        '<link href="https://x.test/s.css"><img src="https://x.test/i.png"><form action="https://x.test/"></form>',
        '<abbr href="https://x.test/">t</abbr>',
        '<!-- <a href="https://x.test/">t</a> -->',
        '<!--[if mso]><a href="https://x.test/">t</a><![endif]-->',
        '<style>a[href="https://x.test"]{}</style><script>"<a href=https://x.test>"</script>',
        '<textarea><a href="https://x.test/">t</a></textarea><title><a href=https://x.test/></title>',
        "text with <a href=https://x.test/ and no end",
        '<a title="open <a href=https://x.test/>t</a>',
        f'<a href="https://x.test/{"y" * 9000}">t</a>',
    ],
)
def test_what_is_no_trackable_link_stays(html: str) -> None:
    assert segment(html).links == ()
    assert rewritten(html) == html


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://x.test/?a=1&amp;b=2#frag", "https://x.test/?a=1&b=2#frag"),
        ("https://x.test/?a=1&b=2", "https://x.test/?a=1&b=2"),
        ("https://x.test/?a=1&copy=2&lang=de&region=x&notit;", "https://x.test/?a=1&copy=2&lang=de&region=x&notit;"),
        ("https://x.test/?a=&copy;&euro;", "https://x.test/?a=©€"),
        ("https://x.test/&#x41;&#66;&#67", "https://x.test/ABC"),
        ("https&#58;//x.test/", "https://x.test/"),
        ("\n https://x.te\nst/a\tb ", "https://x.test/ab"),
        ("https://x.test/a b/ü?q=%C3%BC+1", "https://x.test/a b/ü?q=%C3%BC+1"),
        ("https://user:pw@x.test:8443/", "https://user:pw@x.test:8443/"),
    ],
)
def test_the_url_is_what_a_browser_would_follow(value: str, url: str) -> None:
    assert segment(f'<a href="{value}">t</a>').links == (url,)
    assert segment(f"<A HREF='{value}'>t</A>").links == (url,)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<body>x</body>", "<body>x@</body>"),
        ("<BODY>x</BODY ></HTML>", "<BODY>x@</BODY ></HTML>"),
        ("<body>x</body></html>", "<body>x@</body></html>"),
        ("<html>x</html>", "<html>x@</html>"),
        ("x", "x@"),
        ("", "@"),
        ("<!-- </body> --><body>x</body><!-- </body> -->", "<!-- </body> --><body>x@</body><!-- </body> -->"),
        ("<body>x</body><body>y</body>", "<body>x</body><body>y@</body>"),
        ("<body>x</body><a href=https://x.test>t", '<body>x@</body><a href="https://t.test/c/0">t'),
        ("<script>'</body>'</script>x", "<script>'</body>'</script>x@"),
    ],
)
def test_the_pixel_stands_before_the_end_of_the_body(html: str, expected: str) -> None:
    assert segment(html).splice(wrap, "@") == expected


def test_a_wrapped_url_is_escaped_for_its_place() -> None:
    def evil(index: int, url: str) -> str:
        return f"{url}&\"'><b>"

    assert (
        segment("<a href='https://x.test/'>").splice(evil) == "<a href='https://x.test/&amp;&quot;&#x27;&gt;&lt;b&gt;'>"
    )
    assert (
        segment("<a href=https://x.test/>").splice(evil) == '<a href="https://x.test/&amp;&quot;&#x27;&gt;&lt;b&gt;">'
    )


def test_each_link_has_its_index_and_url() -> None:
    seen: list[tuple[int, str]] = []
    html = "".join(f'<a href="https://x.test/{n}">t</a>' for n in (1, 2, 2))

    def note(index: int, url: str) -> str:
        seen.append((index, url))
        return url

    assert segment(html).splice(note) == html
    assert seen == [(0, "https://x.test/1"), (1, "https://x.test/2"), (2, "https://x.test/2")]


def test_links_beyond_the_limit_stay() -> None:
    html = '<a href="https://x.test/">t</a>' * (MAXIMUM_LINKS + 5)
    assert len(segment(html).links) == MAXIMUM_LINKS
    assert rewritten(html).count("https://x.test/") == 5


HOSTILE = {
    "nested tags": "<div>" * 50_000 + "<a href='https://x.test/'>t</a>" + "</div>" * 50_000,
    "nested links": "<a href=https://x.test/>" * 50_000,
    "attributes": "<a " + "".join(f"a{n}=1 " for n in range(100_000)) + "href=https://x.test/>t</a>",
    "attributes in many": ("<a href=https://x.test/ " + "".join(f"a{n}=1 " for n in range(1_000)) + ">") * 200,
    "open tags": "<a href=https://x.test/ " * 80_000,
    "open quotes": "<a href='https://x.test/" * 80_000,
    "open comments": "<!--<a href=https://x.test/>" * 70_000,
    "slashes": ("<a href=https://x.test/ " + "/a" * 4_000 + ">") * 100,
    "references": ("<a href='https://x.test/" + "&a" * 4_000 + "'>") * 100,
    "angle brackets": "<" * 2_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_is_not_broken_and_costs_linear_time(name: str) -> None:
    html = HOSTILE[name]
    assert_linear(lambda size: segment(html[:size]).splice(wrap, PIXEL), len(html))
    segmented = segment(html)
    spliced = segmented.splice(wrap, PIXEL)
    assert spliced.count(PIXEL) == 1
    assert segmented.splice(None) == html


PIECES = [
    "<a ", "<area ", "href", "=", '"', "'", "https://x.test/", ">", "</a>", "</body>", "<!--", "-->", " ", "\n", "/",
    "<", "<style>", "</style>", "data-track=false", "&amp;", "x",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_html_can_be_put_back(html: str) -> None:
    assert segment(html).splice(None) == html
    assert restored(html) == html
