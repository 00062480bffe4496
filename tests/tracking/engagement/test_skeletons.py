"""Renderings of one template: what is told by their skeleton is what reading the whole would find."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates_app.liquid.limits import RenderBudget
from templates_app.liquid.render import Rendering, parse, render_pieces
from tests.tracking.engagement.html_files import MAILS, name_sample, read
from tracking.engagement.link_finding import LinkFinder, recent, skeletons
from tracking.engagement.link_rules import Found
from tracking.engagement.soup import CpuBudget

# Positions of values, each kind of them usual or not.
PARTS = (
    *(
        "<p>Dear {{ a }},</p>",
        "{{ a }}{{ b }}",
        "<h1>{{ a }}</h1>",
        "{{ a | safe }}",
        "Tom &amp; {{ a }}",
        "&am{{ a }}p;",
    ),
    *(
        "&{{ a }}",
        "&#{{ a }};",
        "&#1{{ a }}",
        "<{{ a }}",
        "</{{ a }}",
        "< {{ a }}",
        "{{ a }}>",
        "<!{{ a }}>",
        "<!-{{ a }}",
    ),
    *('<a href="https://x.test/{{ a }}">Order {{ b }}</a>', '<a href="{{ a }}">{{ b }}</a>', "<a href='{{ a }}'>b</a>"),
    *('<a href="{{ b | safe }}">{{ a }}</a>', "<a href={{ a }}>b</a>", "<a href=https://x.test/{{ a }}>b</a>"),
    *('<a href="https://x.test/?a=1&b={{ a }}&amp;c={{ b }}">c</a>', '<a href="https://x.test/?a=1&copy{{ a }}">b</a>'),
    *('<a href="https://x.test/?copy={{ a }}&copy=2&currency={{ b }}">c</a>', '<a href="https://{{ a }}/">b</a>'),
    *('<a href="https://x.test/{{ a }}subscribe">b</a>', '<a href="{{ a }}://x.test">b</a>', "<a {{ a }}>b</a>"),
    *('<a href="https://x.test/1">un{{ a }}</a>', '<a href="https://x.test/2">{{ a }}subscribe</a>', "<{{ a }} x>"),
    *('<a href="https://x.test/3">{{ a }}{{ b }}</a>', '<a href="https://x.test/4">Unsubscribe{{ a }}</a>'),
    *('<a href="https://x.test/5">un<b>{{ a }}</b>ribe</a>', '<a href="https://x.test/6">{{ a }} <i>{{ b }}</i></a>'),
    *('<a href="https://x.test/7"><img src="{{ b }}" alt="{{ a }}">subscribe</a>', '<a href="https://x.test/8">un'),
    *('<a href="https://x.test/9">uns<img alt="ub{{ a }}">cribe', '<a href="https://x.test/10">&#117;{{ a }}</a>'),
    *('<a href="https://x.test/11"><style>{{ a }}</style>{{ b }}</a>', '<a href="https://x.test/12"><rt>{{ a }}</rt>'),
    *(
        '<a href="https://x.test/13">un<img alt="">{{ a }}</a>',
        '<a href="https://x.test/14"> un<!-- {{ b }} -->{{ a }}',
    ),
    *('<a href="https://x.test/15" data-track="{{ a }}">b</a>', '<a href="https://x.test/16" title="{{ a }}">b</a>'),
    *('<a data-track="{{ a }}" href="https://x.test/17">b</a>', '<a title={{ a }} href="https://x.test/18">b</a>'),
    *('<a href="https://x.test/19" href="{{ a }}">b</a>', '<a href="{{ unsubscribe_url }}">Unsubscribe {{ a }}</a>'),
    *('<area href="https://x.test/{{ a }}" alt="{{ b }}">', "</area>{{ a }}", '<a href="https://x.test/20"/>{{ a }}'),
    *("<!-- {{ a }} -->", "<!--{{ a }}-->", "<!-- {{ a }}>-->", "<!-- -{{ a }}- -->", "<!-- -- {{ a }}> -->"),
    *('<!--[if mso]><a href="{{ a }}">{{ b }}</a><![endif]-->', "<!--{{ a }}>", "<!-- {{ a }}{{ b }}!> -->"),
    *("<style>p{color:{{ a }}}</style>", "<textarea>{{ a }}</textarea>", "<title>{{ a }}</title>", "<title>{{ a }}"),
    *(
        '<td class="{{ a }}" style="width:{{ b }}%">',
        "<td width={{ a }}>",
        '<td title={{ a }}"{{ b }}">',
        "<td{{ a }}>",
    ),
    *('<p title="{{ a }}', '<p title="{{ a }}"x>', "<p {{ a }}=x>", "<p a='x'b='{{ a }}'>", "<!DOCTYPE {{ a }}>"),
    *("{% if a %}<b>{{ a }}</b>{% else %}-{% endif %}", "{% for c in l %}<i>{{ c }}</i>{% endfor %}", "{{ a | size }}"),
    *("{% capture d %}<b>{{ a }}{% endcapture %}{{ d }}", "{{ a | newline_to_br }}", "{% cycle 'x', 'y' %}"),
    *("<body>", "</body>", "</html>", "<select>", "</a>", "</p>", "subscribe", " ", "-", "text", "</title>", "<br>"),
)
PLAIN = ("Ann", "4711", "a b", "https://y.test/?n=1", "O'Brien & Sons", "x-1", "\u00e9\u00df")
VALUES = (
    *PLAIN,
    *(
        "",
        " ",
        "\n",
        "-",
        "--",
        "-->",
        "--!>",
        ">",
        "<",
        "</",
        "<b>",
        "</a>",
        "</body>",
        "<!--",
        '"',
        "'",
        "=",
        "/",
        "`",
    ),
    *("&", "&amp;", "amp;", "#117", "117;", "copy", "x41;", "{{", "{% a %}", "\x0b", "\x1f", "\u017f", "\u212a"),
    *("un", "subscribe", "unsubscribe", "Unsubscribe me", "b", "sub", "scribe", "d", "_", "un\u017fubscribe", "sc"),
    *("https", "http", "https://z.test/a--b-", "https://z.test/unsubscribe", "javascript:x", "//z.test", "a" * 300),
    *(
        "href=https://z.test/",
        ' data-track="false"',
        "track",
        "false",
        "off",
        "1",
        "style",
        "a",
        "\u2028",
        "\U0001f600",
    ),
)


@pytest.fixture(autouse=True)
def _nothing_is_known() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    for cache in (recent, skeletons):
        cache.__init__(cache.max_count, cache.max_size)  # type: ignore[misc]


def find_whole(document: str) -> Found:
    return LinkFinder().judge(document, len(document.encode())).found


class CountingFinder(LinkFinder):
    """Counts the documents that are read as a whole."""

    count = 0

    def judge(self, document: str, size: int) -> Any:
        self.count += 1
        return super().judge(document, size)


def render_each(source: str, *variables: dict[str, object]) -> list[Rendering]:
    template = parse(source)
    return [render_pieces(template, each, RenderBudget()) for each in variables]


def count_whole(source: str, *variables: dict[str, object]) -> int:
    """How many renderings are read as a whole; all are found as if each of them were."""
    finder = CountingFinder()
    for text, pieces in render_each(source, *variables):
        assert finder.find(text, pieces) == find_whole(text), text
    return finder.count


def read_template(path: Path) -> str:
    """A sample with our own variables and loops in place of those of its sender: `a` in URLs, `b` elsewhere."""
    source = re.sub(r"\{\{\s*\w+_url\s*\}\}", "{{ a }}", read(path))
    source = re.sub(r"\{\{\s*\w+\s*\}\}", lambda name: name[0] if name[0] == "{{ a }}" else "{{ b }}", source)
    source = re.sub(r"\{\{#each [^}]*\}\}", "{% for c in l %}", source).replace("{{/each}}", "{% endfor %}")
    return re.sub(r"\{\{[#/^][^}]*\}\}", "", source)


variables = st.fixed_dictionaries(
    {"a": st.sampled_from(VALUES), "b": st.sampled_from(VALUES), "l": st.lists(st.sampled_from(VALUES), max_size=3)}
)
plain_variables = st.fixed_dictionaries(
    {"a": st.sampled_from(PLAIN), "b": st.sampled_from(PLAIN), "l": st.lists(st.sampled_from(PLAIN), max_size=2)}
)


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join),
    st.lists(plain_variables, min_size=2, max_size=2),
    st.lists(variables, min_size=1, max_size=5),
)
def test_a_skeleton_tells_what_the_whole_has(
    source: str, plain: list[dict[str, object]], others: list[dict[str, object]]
) -> None:
    count_whole(source, *plain, *others)


@pytest.mark.parametrize("part", PARTS)
def test_each_value_at_each_position_is_found_as_in_the_whole(part: str) -> None:
    source = f'<body>{part}<a href="https://x.test/0">t</a></body>'
    first: list[dict[str, object]] = [{"a": "Ann", "b": "4711", "l": ["x"]}, {"a": "1", "b": "b", "l": ["y"]}]
    count_whole(source, *first, *({"a": value, "b": "Bob", "l": [value]} for value in VALUES))
    count_whole(source, *first, *({"a": "Bob", "b": value, "l": [""]} for value in VALUES))


def build_orders(count: int) -> list[dict[str, object]]:
    return [{"a": f"https://shop.test/orders/{number}", "b": f"order {number}", "l": [1, 2]} for number in range(count)]


@pytest.mark.parametrize("path", MAILS, ids=name_sample)
def test_a_real_mail_as_a_template_is_found_as_in_the_whole(path: Path) -> None:
    source = read_template(path)
    orders = build_orders(2)
    others: list[dict[str, object]] = [{"a": f"https://x.test/{value}", "b": value, "l": [1, 2]} for value in VALUES]
    assert count_whole(source, *orders, *others) < len(others)


@pytest.mark.parametrize("path", MAILS, ids=name_sample)
def test_a_real_mail_is_read_twice(path: Path) -> None:
    assert count_whole(read_template(path), *build_orders(10)) == 2


ORDER = """<!doctype html><html><head><title>Order {{ number }}</title><style>body{margin:0}</style></head><body>
<h1>Hello {{ name }}</h1><!--[if mso]><v:rect href="{{ url }}"><![endif]-->
<table class="{% cycle 'odd', 'even' %}">{% for line in lines %}
<tr><td><a href="https://shop.test/{{ line.id }}?u={{ name | url_encode }}"><img src="{{ line.id }}.png"
 alt="{{ line.title }}">{{ line.title }}</a></td></tr>{% endfor %}</table>
{% if coupon %}<p>{{ coupon }}</p>{% endif %}
<a href="https://shop.test/orders/{{ number }}?a=1&amp;b={{ number }}">Order {{ number }}</a>
<a href="{{ unsubscribe_url }}">Unsubscribe</a></body></html>"""
LINES = [{"id": 1, "title": "Blue socks"}, {"id": 2, "title": "Spoon & fork"}]


def build_order(number: int, **values: object) -> dict[str, object]:
    url = f"https://shop.test/{number}"
    return {"number": number, "name": f"Zo\u00eb O'{number}", "lines": LINES, "url": url, **values}


def test_an_ordinary_template_is_read_twice() -> None:
    assert count_whole(ORDER, *(build_order(number) for number in range(20))) == 2


def test_each_way_through_a_template_is_read_twice() -> None:
    ways = [{"coupon": "SAVE"}, {"lines": LINES[:1]}, {"lines": LINES * 3}, {}]
    assert count_whole(ORDER, *(build_order(number, **way) for number in range(5) for way in ways)) == 8


def test_a_template_without_values_is_read_once() -> None:
    assert count_whole('<a href="https://x.test/">t</a>', {}, {}, {}) == 1


def test_a_value_with_markup_is_read_and_the_next_one_is_not() -> None:
    source = '<p>{{ a | safe }}</p><a href="https://x.test/{{ b }}">t</a>'
    values = ["1", "2", "<b>3</b>", "4", "5</p><a href=https://y.test/>6</a>", "7"]
    assert count_whole(source, *({"a": value, "b": value} for value in values)) == 4


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ('<a href="{{ v }}">t</a>', "https://x.test/unsubscribe"),
        ('<a href="{{ v }}">t</a>', "mailto:a@x.test"),
        ('<a href="https://x.test/">{{ v }}</a>', "Unsubscribe"),
        ('<a href="https://x.test/">un{{ v }}</a>', "subscribe"),
        ('<a href="https://x.test/">{{ v }}</a>', ""),
        ('<a href="https://x.test/">un{{ v }}</a>', "subscribe now"),
        ('<a href="https://x.test/">{{ v }}scribe</a>', "To unsub"),
        ('<a href="https://x.test/">un<img alt="{{ v }}">ribe</a>', "subsc"),
        ('<a href="https://x.test/">Unsubscribe{{ v }}</a>', "d"),
        ('<!-- {{ v }}> <a href="https://x.test/">t</a> --><a href="https://y.test/">t</a>', "--"),
        ('<p title="{{ v | safe }}"><a href="https://x.test/">t</a></p>', '"><select>'),
        ("<p title='{{ v | safe }}'><a href='https://x.test/'>t</a></p>", "'><!--"),
        ('<p>{{ v | safe }}</p><a href="https://x.test/">t</a>', "<title>"),
    ],
)
def test_a_value_that_decides_makes_the_whole_be_read(source: str, changed: str) -> None:
    usual = ["https://x.test/1", "https://x.test/2", "https://x.test/3"] if 'href="{{' in source else ["/1", "/2", "/3"]
    assert count_whole(source, *({"v": value} for value in [*usual, changed, usual[0]])) == 3


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ('<a href="https://x.test/">&#11{{ v }};nsubscribe</a>', "897"),
        ('<p>{{ v | safe }}amp;</p><a href="https://x.test/">&{{ v }}#117;nsubscribe</a>', ["x", "y", "amp;", ""]),
        ("<a href='https://x.test/' data-track={{ v }}>t</a>", ["on", "yes", "off"]),
        ("<a href='https://x.test/' data-track='{{ v }}'>t</a>", ["on", "yes", "off"]),
        ('<a title=x"{{ v }}" href="https://x.test/">t</a>', ["1", "2", " data-track=off x="]),
        ('<a href="https://x.test/">un<style>x </style>{{ v }}</a>', ["1", "2", "subscribe now"]),
        ("a <{{ v }}<a href='https://x.test/'>t</a>", ["1", "2", "select>"]),
        ("<!--{{ v }}> <a href='https://x.test/'>t</a> -->", ["1", "2", ""]),
        ("<!-- --{{ v }}> <a href='https://x.test/'>t</a> -->", ["1", "2", ""]),
    ],
)
def test_a_place_where_a_value_may_change_anything_has_no_skeleton(source: str, values: Sequence[str]) -> None:
    assert count_whole(source, *({"v": value} for value in values)) == len(values)


def test_texts_from_which_nothing_is_learnt_are_tried_three_times() -> None:
    source = "<p title={{ v }}>t</p>"
    for text, pieces in render_each(source, *({"v": number} for number in range(9))):
        LinkFinder().find(text, pieces)
        recent.__init__(recent.max_count, recent.max_size)  # type: ignore[misc]
    assert [known for known, _ in skeletons._results.values()] == [0]


def test_a_finding_that_the_time_of_a_request_cut_short_is_not_learnt() -> None:
    source = '<a href="https://x.test/{{ v }}">t</a><a href="https://x.test/">Unsubscribe</a>'
    finder = LinkFinder(CpuBudget(seconds=-1.0))
    renderings = render_each(source, *({"v": number} for number in range(4)))
    assert [len(finder.find(text, pieces).urls) for text, pieces in renderings] == [2, 2, 2, 2]
    assert count_whole(source, *({"v": number} for number in range(4, 8))) == 1
