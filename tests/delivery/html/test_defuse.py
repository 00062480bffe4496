"""A stranger's HTML in a frame: nothing in it reaches out, wherever it hides; all else stays."""

import re

import pytest

from delivery.html.defuse import MAX_INLINE_BYTES, DataImages, Links, defuse, frame_policy
from tests.effort import assert_linear

REACHING = re.compile(
    r"</?(?:link|base|embed|iframe|frame|frameset|object|applet|portal)[\s/>]|http-equiv", re.IGNORECASE
)


def kill(document: str) -> str:
    return defuse(document, Links.DEAD, {}.get)


def free(document: str) -> str:
    return defuse(document, Links.NEW_TAB, {}.get).removeprefix('<base target="_blank">')


@pytest.mark.parametrize(
    "document",
    [
        "<link rel=preconnect href=//x.test>",
        # Text to a tokenizer, and markup to a browser that lost the element around it or is inside of SVG.
        "<iframe><link rel=preconnect href=//x.test></iframe>",
        "<svg><style><link rel=preconnect href=//x.test></style></svg>",
        "<svg><title><link rel=preconnect href=//x.test></title></svg>",
        "<svg><![CDATA[x><!-- ]]><title><link rel=preconnect href=//x.test>-->",
        '<svg><![CDATA[x><a title="]]><title><link rel=preconnect href=//x.test>">',
        "<textarea></textarea><embed/src=//x.test>",
        "<portal src=//x.test></portal>",
        "<noframes><link rel=preconnect href=//x.test></noframes>",
    ],
)
def test_what_reaches_out_is_disarmed_wherever_it_hides(document: str) -> None:
    for served in (kill(document), free(document)):
        assert not REACHING.search(served)


@pytest.mark.parametrize(
    ("document", "is_kept"),
    [
        ('<meta charset="utf-8">', True),
        ("<meta charset=utf-8 />", True),
        ('<meta name="viewport" content="width=device-width">', True),
        ('<meta property="og:title" content="a & b">', True),
        ('<meta http-equiv="refresh" content="0;url=//x.test">', False),
        ('<meta name="x>" http-equiv=refresh content=0>', False),
        ("<meta name='x' content=\"'>\" http-equiv=x-dns-prefetch-control>", False),
        ('<meta name="referrer" content="unsafe-url">', False),
        ('<meta name="&#114;eferrer" content="unsafe-url">', False),
        ("<meta/charset=utf-8/http-equiv=refresh>", False),
        ("<meta name=x", False),
    ],
)
def test_a_meta_stays_if_it_says_nothing_that_a_header_does(document: str, is_kept: bool) -> None:
    for served in (kill(document), free(document)):
        assert served == document if is_kept else "<meta" not in served


def test_dead_links_lead_nowhere_and_say_where_they_led() -> None:
    assert (
        kill('<a HREF="/x?a=1&amp;b" Target=_top>')
        == '<a title="/x?a=1&amp;b"  data-HREF="/x?a=1&amp;b" data-Target=_top>'
    )
    assert kill('<a title=t href=/x ping="/p">') == '<a title=t data-href=/x data-ping="/p">'
    assert kill("<td background=x><form action=y>") == "<td data-background=x><form data-action=y>"


def test_free_links_open_a_tab_without_a_hold_on_the_frame() -> None:
    assert free('<a href="/x" target="_self" rel=opener>') == '<a href="/x"  >'
    assert free('<a href="/x" target="_blank" title="rel=x target=y">') == (
        '<a href="/x" target="_blank" title="rel=x target=y">'
    )
    assert free('<p target="x" rel="y">') == '<p target="x" rel="y">'


def test_images_are_found_in_attributes_and_styles_and_nowhere_else() -> None:
    document = (
        "<style>p { background: url(cid:a) }</style> (cid:a) <!-- cid:a --> "
        "<img src=cid:a><p style=\"background:url('cid:a')\">"
    )
    served = defuse(document, Links.DEAD, {"a": "URL"}.get)
    assert served == document.replace("url(cid:a)", "url(URL)").replace("src=cid:a", "src=URL").replace(
        "'cid:a'", "'URL'"
    )


def test_images_as_data_have_a_limit_together() -> None:
    images = DataImages({"a": ("image/png", b"x" * (MAX_INLINE_BYTES // 2)), "b": ("image/gif", b"GIF")})
    assert str(images("a")).startswith("data:image/png;base64,eHh4")
    assert images("a") is None
    assert images("b") == "data:image/gif;base64,R0lG"
    assert images("c") is None


def test_the_policy_lets_nothing_be_fetched() -> None:
    assert frame_policy().endswith("frame-ancestors 'self'; sandbox")
    assert "img-src data:;" in frame_policy()
    assert frame_policy(images="https://a.test/", sandbox="allow-popups").endswith("sandbox allow-popups")


@pytest.mark.parametrize(
    "unit",
    [
        "<a href=x ",
        "<meta name=x ",
        "<a target=x>",
        "<",
        "<svg><style>",
        "'cid:a",
        "<!--",
        "<meta ",
        "href=x ",
        "<iframe>",
    ],
)
@pytest.mark.parametrize("links", Links)
def test_the_work_is_linear(unit: str, links: Links) -> None:
    def run(size: int) -> None:
        defuse("<a " + unit * size + ">", links, {"a": "URL"}.get)

    assert_linear(run, 16_000)
