"""Links in rendered HTML: allowed and forbidden targets, in every notation."""

import pytest

from templates_app.html.link_policy import find_unsafe_link
from tests.effort import assert_linear


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://example.com/?a=b:c">x</a>',
        "<a href='http://example.com'>x</a>",
        "<a href=mailto:a@example.com?subject=a:b>x</a>",
        '<A HREF="TEL:+4912345">x</A>',
        '<a href="#top">x</a><a href="/a:b">x</a><a href="?q=a:b">x</a><a href="">x</a>',
        '<a href="{{ unsubscribe_url }}">x</a>',
        '<img src="cid:logo"><img src="data:image/png;base64,AAAA">',
        '<a href="https://example.com/?a=1&amp;b=javascript:x">x</a>',
        # Text about links is no link.
        "<p>Never write href=javascript:alert(1) in a mail.</p>",
        '<p>Never write href="javascript:alert(1)" in a mail.</p>',
        '<p data-href="javascript:x" title="transaction=a:b">x</p>',
    ],
)
def test_links_that_lead_to_people_and_pages_pass(html: str) -> None:
    assert find_unsafe_link(html) is None


@pytest.mark.parametrize(
    "html",
    [
        '<a href="javascript:alert(1)">x</a>',
        "<a href=javascript:alert(1)>x</a>",
        "<a href = ' JaVaScRiPt:alert(1)'>x</a>",
        '<a href="java\nscript:alert(1)">x</a>',
        '<a href="java\tscript:alert(1)">x</a>',
        '<a href="\x01javascript:alert(1)">x</a>',
        '<a href="&#106;avascript:alert(1)">x</a>',
        '<a href="&#x6A&#x61vascript:alert(1)">x</a>',
        '<a href="javascript&colon;alert(1)">x</a>',
        '<a href="javascript&#x3a;alert(1)">x</a>',
        '<a href="java&Tab;script:alert(1)">x</a>',
        '<a href="java&NewLine;script:alert(1)">x</a>',
        '<a href="vbscript:x">x</a>',
        '<a href="data:text/html;base64,AAAA">x</a>',
        '<a href="file:///etc/passwd">x</a>',
        '<a/href="javascript:x">x</a>',
        '<a title="a"href="javascript:x">x</a>',
        '<a title=">" href="javascript:x">x</a>',
        "<a title=it's href=javascript:x>x</a>",
        '<svg><a xlink:href="javascript:x">x</a></svg>',
        '<area href="javascript:x"><base href="javascript:x">',
        '<form action="javascript:x"></form>',
        '<button formaction="javascript:x">x</button>',
        '<img src="javascript:x">',
        '<p>ok</p><a href="javascript:x',
    ],
)
def test_links_that_run_something_are_found(html: str) -> None:
    assert find_unsafe_link(html) is not None


@pytest.mark.parametrize(
    "unit", ["<a ", 'href="', "href=javascript: ", "<!--", "<a '", "href ", "<", '<a href="', "href=&", "src"]
)
def test_time_grows_with_length_alone(unit: str) -> None:
    html = "<p>" + unit * (1_000_000 // len(unit))
    assert_linear(lambda size: find_unsafe_link(html[:size]), len(html))
