"""Comparison with BeautifulSoup: it reads the whole document, and everything but links stays unchanged."""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.needs import shared
from tests.tracking.engagement.html_files import (
    MAILS,
    PIXEL,
    REAL_MAILS,
    RefusingBuilder,
    name_sample,
    read,
    rewrite,
    wrap,
)
from tracking.engagement.link_finding import CACHED_DOCUMENTS, MAXIMUM_SIZE, LinkFinder, Outline, recent
from tracking.engagement.soup import CpuBudget, PlaceBuilder, PlaceParser, read_html

OPT_OUT = (
    '<body><p>Hello</p><a href="https://x.test/1">Shop</a> <a href="https://x.test/2"><b>Unsubscribe</b></a></body>'
)
SHOP_ONLY = OPT_OUT.replace("https://x.test/1", wrap(0)).replace("</body>", PIXEL + "</body>")


class SpyParser(PlaceParser):
    texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        super().handle_data(data)


class SpyBuilder(PlaceBuilder):
    parser_class = SpyParser


class BlindParser(PlaceParser):
    """Misses the links to /2, and each `</body>`."""

    def handle_starttag(self, tag: str, attrs: Any, handle_empty_element: bool = True) -> None:
        if dict(attrs).get("href") != "https://x.test/2":
            super().handle_starttag(tag, attrs, handle_empty_element)

    def handle_endtag(self, tag: str, check_already_closed: bool = True) -> None:
        if tag != "body":
            super().handle_endtag(tag, check_already_closed)


class BlindBuilder(PlaceBuilder):
    parser_class = BlindParser


class WholeParser(PlaceParser):
    """Passes on all that stands outside of links, as BeautifulSoup's own parser does."""

    def is_outside(self) -> bool:
        return False


class WholeBuilder(PlaceBuilder):
    parser_class = WholeParser


def pass_nothing(_document: str, start: int) -> int:
    return start


# Parts of documents, usual ones and such as html.parser reads in a way of its own.
PARTS = (
    *('<a href="https://x.test/1">', "<A HREF=https://x.test/2 data-track=no>", "<a\nhref=https://x.test/3/>", "</a>"),
    *("</A >", "Unsubscribe", "shop ", "<p>", "</p x>", "<br>", "</br>", "<img src=x alt='unsubscribe'/>", "<b x=1/>"),
    *(
        '<td style="a:b" nowrap>',
        "</td>",
        "<td\n a = '1'>",
        '<p "q">',
        "<div =x>",
        '<p a=b"c>',
        '<p a="x>y">',
        "<x-y:z>",
    ),
    *("<p a='<i>'>", "<style>a<b{}</style>", "<script>'<a href=https://x.test/4>'</script>", "<title>a</title>", "</>"),
    *("<noscript><a href=https://x.test/5>b</a></noscript>", "<body>", "<body/>", "</body>", "</html>", "<!-- c -->"),
    *(
        "<![if x]>",
        "&amp;",
        "&#",
        "<",
        ">",
        "\r\n",
        "\u017f",
        "<\u212a>",
        "<area href=https://x.test/6>",
        "<abbr>",
        "<a b>",
    ),
    *("<title>", "</title>", "</title >", "</textarea>", "<select>", "</select>", "<video x>", "<object/>", "a < b"),
    *("<td a=1 b='2'>", "<p \x0b>", "</template>", "<plaintext>"),
)


@pytest.fixture
def spy() -> Iterator[list[str]]:
    SpyParser.texts.clear()
    yield SpyParser.texts
    SpyParser.texts.clear()


def test_a_link_that_says_unsubscribe_stays() -> None:
    assert rewrite(OPT_OUT, PIXEL) == SHOP_ONLY


@pytest.mark.parametrize("path", MAILS, ids=name_sample)
def test_a_link_of_a_real_mail_that_says_unsubscribe_stays(path: Any) -> None:
    html = re.sub(r'href="\{\{(\w+)\}\}"', r'href="https://acme.test/\1"', read(path))
    link = list(re.finditer(r'<a href="(https?:[^"]*)"[^>]*>([^<]*)', html))[-1]
    html = html[: link.start(2)] + "Unsubscribe" + html[link.end(2) :]
    judged, alone = LinkFinder().find(html), LinkFinder(builder_class=RefusingBuilder).find(html)
    assert link.start(1) in alone.places[1::2]
    assert set(alone.places) - set(judged.places) == {link.start(1), link.end(1)}
    assert judged.places[0] == alone.places[0] == html.rindex("</body>")


@pytest.mark.parametrize(
    ("html", "count_"),
    [
        ('<a href="https://x.test/2"><img src=x alt="Unsubscribe"></a>', 0),
        ('<a href="https://x.test/2">Unsub<!-- x -->scribe</a>', 0),
        ('<a href="https://x.test/2"><!-- unsubscribe -->Shop</a>', 1),
        ('<a href="https://x.test/2">Unsubscribed</a>', 1),
        ('<a href="https://x.test/2">Shop</a> Unsubscribe', 1),
        ('<a href="https://x.test/1">Shop<a href="https://x.test/2">Unsubscribe', 1),
    ],
)
def test_the_words_of_a_link_are_its_text_and_its_images(html: str, count_: int) -> None:
    assert len(LinkFinder().find(html).urls) == count_


def test_the_parser_reads_links_and_what_is_unusual_outside_of_them(spy: list[str]) -> None:
    rewrite("<p =x>unusual</p><p>usual</p>" + OPT_OUT, finder=LinkFinder(builder_class=SpyBuilder))
    assert {"unusual", "Shop", "Unsubscribe"} <= set(spy)
    assert not {"usual", "Hello"} & set(spy)


@given(st.lists(st.sampled_from(PARTS), max_size=30).map("".join))
def test_what_stands_outside_of_links_changes_nothing(html: str) -> None:
    assert read_html(html, CpuBudget()) == read_html(html, CpuBudget(), WholeBuilder)
    assert vars(Outline(html)) == vars(Outline(html, pass_nothing))


@pytest.mark.parametrize("path", MAILS, ids=name_sample)
def test_what_stands_outside_of_the_links_of_a_real_mail_changes_nothing(path: Any) -> None:
    page = read_html(read(path), CpuBudget())
    assert page
    assert page == read_html(read(path), CpuBudget(), WholeBuilder)
    assert vars(Outline(read(path))) == vars(Outline(read(path), pass_nothing))


def test_what_beautifulsoup_does_not_return_stays() -> None:
    html = '<body><a href="https://x.test/1">a</a><a href="https://x.test/2">b</a></body></html>'
    assert rewrite(html, "@") == html.replace("https://x.test/1", wrap(0)).replace("https://x.test/2", wrap(1)).replace(
        "</body>", "@</body>"
    )
    blind = rewrite(html, "@", LinkFinder(builder_class=BlindBuilder))
    assert blind == html.replace("https://x.test/1", wrap(0)).replace("</html>", "@</html>")


def test_links_that_only_beautifulsoup_sees_stay() -> None:
    html = '<textarea>a &lt; <a href="https://x.test/1">b</a></body></textarea><a href="https://x.test/2">c</a>'
    assert rewrite(html, "@") == html.replace("https://x.test/2", wrap(0)) + "@"


def test_the_tokenizer_judges_alone_where_beautifulsoup_gives_up() -> None:
    alone = rewrite(OPT_OUT, "@", LinkFinder(builder_class=RefusingBuilder))
    assert alone.count("https://t.test/") == 2
    assert alone.endswith("@</body>")
    opted_out = OPT_OUT.replace("<a ", '<a data-track="false" ')
    assert rewrite(opted_out, finder=LinkFinder(builder_class=RefusingBuilder)) == opted_out


def test_the_time_of_a_request_is_bounded() -> None:
    ticks = count(0.0, 0.1)
    finder = LinkFinder(CpuBudget(seconds=1.9, clock=lambda: next(ticks)))
    html = OPT_OUT.replace("Hello", "once")
    assert rewrite(html, finder=finder).count("https://t.test/") == 1
    assert rewrite(OPT_OUT.replace("Hello", "twice"), finder=finder).count("https://t.test/") == 2
    assert finder.budget.left < 0
    assert rewrite(OPT_OUT.replace("Hello", "twice")).count("https://t.test/") == 1, "kept only when it was judged"


@pytest.mark.parametrize(
    "html",
    [
        "<!-- x --!>",
        "<!-->",
        "<!-- a -- > b -->",
        "<![endif]-->",
        "<![CDATA[x]]>",
        "<title>a <b> c</title>",
        "<script/>x</script>",
        "<!-- open",
        "<style>",
        "<p",
    ],
)
def test_what_versions_of_python_read_in_different_ways_is_not_given(html: str, spy: list[str]) -> None:
    finder = LinkFinder(builder_class=SpyBuilder)
    assert rewrite('<a href="https://x.test/1">a</a>' + html, finder=finder).startswith(f'<a href="{wrap(0)}">')
    assert spy == []


@pytest.mark.parametrize(
    "html",
    [
        "<!doctype html>",
        "<!-- x -->",
        "<!---->",
        "<!-- a - b -- c -->",
        "<!--[if mso]><table><![endif]-->",
        "<!--[if !mso]><!-->x<!--<![endif]-->",
        "<![if !mso]>x<![endif]>",
        "<?xml version='1.0'?>",
        "<script>'<a href=https://x.test/2>'</script><style>a > b {}</style>",
        "<title>a &lt; b</title>",
        "</ p></>",
        "&#x; &# &bogus; &",
        "< a & b <3",
        "<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0//EN'\n 'http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd'>",
    ],
)
def test_what_is_usual_is_given(html: str) -> None:
    document = f'{html}\r\n<a\nhref="https://x.test/1">a</a>\n{html}<a href="https://x.test/2">Unsubscribe</a>\n</body>'
    assert rewrite(document, "@") == document.replace('"https://x.test/1"', f'"{wrap(0)}"').replace(
        "</body>", "@</body>"
    )


def test_long_documents_are_not_given(spy: list[str]) -> None:
    html = OPT_OUT + "é" * (MAXIMUM_SIZE // 2)
    assert rewrite(html, finder=LinkFinder(builder_class=SpyBuilder)).count("https://t.test/") == 2
    assert spy == []


def test_numbers_without_end_are_refused() -> None:
    assert read_html("&#" + "1" * 5_000 + ";<a href=https://x.test>a</a>", CpuBudget()) is None


def test_the_same_html_is_read_once() -> None:
    html = OPT_OUT.replace("Hello", "the same")
    spent = [finder.budget.left for finder in (LinkFinder(), LinkFinder()) if finder.find(html)]
    assert spent[0] < spent[1] == CpuBudget().left
    for number in range(CACHED_DOCUMENTS):
        LinkFinder().find(f"{number}")
    finder = LinkFinder()
    finder.find(html)
    assert finder.budget.left < CpuBudget().left
    assert len(recent._results) == CACHED_DOCUMENTS


@shared
def test_every_real_mail_is_given_to_beautifulsoup() -> None:
    assert [path.name for path in REAL_MAILS if not Outline(read(path)).is_plain] == []
