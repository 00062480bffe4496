"""Tracked links, their targets, and the position of the pixel."""

from pathlib import Path

import pytest

from tests.effort import assert_linear
from tests.tracking.engagement.html_files import CUT_SHORT, PIXEL, RefusingBuilder, name_sample, read, rewrite, wrap
from tracking.engagement.link_finding import MAXIMUM_LINKS, LinkFinder
from tracking.engagement.link_rewriting import splice
from tracking.engagement.link_rules import Found


def find(html: str) -> Found:
    return LinkFinder().find(html)


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
        '<a clicktracking="off" href="https://x.test/">t</a>',
        "<a clicktracking=off href=https://x.test/>t</a>",
        "<a data-pm-no-track href=https://x.test/>t</a>",
        '<a ses:no-track href="https://x.test/">t</a>',
        '<a disable-tracking=true href="https://x.test/">t</a>',
        '<a data-msys-clicktrack="0" href="https://x.test/">t</a>',
        '<a mc:disable-tracking href="https://x.test/">t</a>',
    ],
)
def test_an_untrackable_link_stays_unchanged(html: str) -> None:
    assert find(html).urls == ()
    assert rewrite(html) == html


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
    assert find(f'<a href="{value}">t</a>').urls == (url,)
    assert find(f"<A HREF='{value}'>t</A>").urls == (url,)


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
        ("<p>x<!-- cut", "<p>x@<!-- cut"),
        ("<p>x<a title='", "<p>x@<a title='"),
        ("<p>x</p", "<p>x@</p"),
        ("<p>x</", "<p>x@</"),
        ("<p>x<", "<p>x<@"),
        ("x<?y", "x@<?y"),
        ("x<style>p{", "x@<style>p{"),
        ("x<style>p{</style", "x@<style>p{</style"),
        ("x<title>y</title><textarea>z</textarea", "x<title>y</title>@<textarea>z</textarea"),
        ("x<plaintext>y</plaintext>", "x@<plaintext>y</plaintext>"),
        ("<body>x</body><!-- cut", "<body>x@</body><!-- cut"),
        ("<body>x<textarea></body>", "<body>x@<textarea></body>"),
        ("<body>x<select><option>y</body>", "<body>x@<select><option>y</body>"),
        ("<body>x<template>y</body>", "<body>x@<template>y</body>"),
        ("<body><select></select>x</body>", "<body><select></select>x@</body>"),
        ("<body>x<!-- y </body> z", "<body>x@<!-- y </body> z"),
        ('<p>x</p><a href="https://y.test/"', '<p>x</p>@<a href="https://y.test/"'),
    ],
)
def test_the_pixel_stands_before_the_end_of_the_body(html: str, expected: str) -> None:
    assert rewrite(html, "@") == expected


@pytest.mark.parametrize(
    "html",
    [
        f'<a href="https://x.test/{"y" * 9000}">t</a>',
        f'<a style="{"color:red;" * 2000}" href="https://x.test/">t</a>',
        '<a clicktracking="on" href="https://x.test/">t</a>',
        '<a data-track="true" href="https://x.test/">t</a>',
    ],
)
def test_a_long_tag_and_a_permission_are_tracked(html: str) -> None:
    assert len(find(html).urls) == 1
    assert find(html) == LinkFinder(builder_class=RefusingBuilder).find(html)


def test_links_beyond_the_limit_stay() -> None:
    html = '<a href="https://x.test/">t</a>' * (MAXIMUM_LINKS + 5)
    assert len(find(html).urls) == MAXIMUM_LINKS
    assert rewrite(html).count("https://x.test/") == 5


LINK = "<a href=https://x.test/>"
# Of one part again and again: what stands before, the part, and what stands behind.
HOSTILE = {
    "nested tags": ("", "<div>", LINK),
    "nested tags closed in another order": (LINK + "<i>" * 20_000, "<b></i>", ""),
    "nested links": ("", LINK, ""),
    "nested links without words": ("", LINK + "<b>", ""),
    "attributes": ("<a ", "a=1 ", "href=https://x.test/>t</a>"),
    "attributes in many": ("", "<a href=https://x.test/ " + "".join(f"a{n}=1 " for n in range(1_000)) + ">", ""),
    "open tags": ("", "<a href=https://x.test/ ", ""),
    "open quotes": ("", "<a href='https://x.test/", ""),
    "open comments": ("", "<!--" + LINK, ""),
    "open comments in end tags": ("", "</p a='><!--'>", LINK),
    "open sections": ("", "<![if x>", LINK),
    "sections of another kind": ("", "<![endif]-->", LINK),
    "open comments in a title": ("<title>", "<!--", "</title>" + LINK),
    "comments closed by another end": ("", "<!-- --!>", LINK),
    "void tags and wrong ends": ("<br>" * 20_000, "</p>", LINK),
    "open entities": ("", "&#", LINK),
    "slashes": ("", "<a href=https://x.test/ " + "/a" * 4_000 + ">", ""),
    "references": ("", "<a href='https://x.test/" + "&a" * 4_000 + "'>", ""),
    "angle brackets": ("", "<", ""),
}


@pytest.mark.parametrize("size", [100_000, 400_000])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_is_not_broken_and_costs_bounded_time(name: str, size: int) -> None:
    before, part, behind = HOSTILE[name]

    def build(size: int) -> str:
        return before + part * ((size - len(before)) // len(part)) + behind

    # What BeautifulSoup may take is bounded by its budget; the rest grows as the input does.
    alone = LinkFinder(builder_class=RefusingBuilder)
    assert_linear(lambda size: splice(build(size), alone.find(build(size)).places, wrap, PIXEL), size)
    html = build(size)
    places = find(html).places
    spliced = splice(html, places, wrap, PIXEL)
    assert spliced.count(PIXEL) == 1
    assert splice(html, places, None) == html


@pytest.mark.parametrize("path", CUT_SHORT, ids=name_sample)
def test_the_pixel_of_what_is_cut_off_stands_before_the_cut(path: Path) -> None:
    html = read(path)
    assert find(html).places[0] == (html.index("<!--") if "<!--" in html else html.rindex("<"))
