"""The text made from HTML reads like the mail, and hostile HTML takes linear time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.html.plaintext import text_from_html
from tests.effort import assert_linear
from tests.needs import NOT_SHARED, SHARED

MAILS = sorted((SHARED / "corpora/html").glob("*.html")) if SHARED else NOT_SHARED


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<h1>Title</h1><p>One</p><p>Two</p>", "Title\n\nOne\n\nTwo"),
        ("<div>One</div><div>Two</div>", "One\nTwo"),
        ("a<br>b<br/>c<BR><br><br>d", "a\nb\nc\n\nd"),
        ("  <p>\n  much \t space\n</p>  ", "much space"),
        ("<b>bold</b><i>joined</i> <u>apart</u>", "boldjoined apart"),
        ("<p>x <b> y </b> z</p>", "x y z"),
        ("a&nbsp;b &amp; &lt;c&gt; &eacute; &#8364; &copy &#x1F600;", "a b & <c> é € © 😀"),
        ("<ul><li>One</li><li>Two</li></ul>after", "- One\n- Two\n\nafter"),
        ("<ul><li>One<li>Two<ol><li>a<li>b</ol><li>Three</ul>", "- One\n- Two\n  1. a\n  2. b\n- Three"),
        ("<ol start=9><li>Nine</li><li><p>Ten</p><p>more</p></li></ol>", "9. Nine\n10. Ten\n\n    more"),
        ("<blockquote>He said<br>so</blockquote>", "> He said\n> so"),
        ("<pre>  a\n    b</pre>", "a\n    b"),
        ("a<hr>b", "a\n\n" + "-" * 40 + "\n\nb"),
        ("<table><tr><td>Item</td><td>Price</td></tr><tr><td>Tea<td>4 €</table>", "Item  Price\nTea  4 €"),
        ("<table><tr><td><p>One</p><p>Two</p></td><td>Side</td></tr></table>", "One\n\nTwo\n\nSide"),
        ("<table><tr><td><table><tr><td>in</td></tr></table></td></tr></table>", "in"),
        (f"<table><tr><td>{'x' * 80}</td><td>{'y' * 80}</td></tr></table>", "x" * 80 + "\n" + "y" * 80),
        ("<dl><dt>Term</dt><dd>Meaning</dd></dl>", "Term\nMeaning"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("soft\u00adhy\u200bphen", "softhyphen"),
        ("<textarea>typed <b></textarea>", "typed <b>"),
        ("<noscript>seen</noscript>", "seen"),
        ("<td>lost <tr>cells <li>and items", "lost\n\ncells\n- and items"),
    ],
)
def test_html_becomes_readable_text(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<a href='https://x.test/a?b=1&amp;c=2#d'>here</a>", "here (https://x.test/a?b=1&c=2#d)"),
        ("<a href='https://x.test/?a=1&copy=2&lang=de&amp;lt=3'>q</a>", "q (https://x.test/?a=1&copy=2&lang=de&lt=3)"),
        ("<a href=https://x.test/>https://x.test</a>", "https://x.test"),
        ("<a href=https://www.x.test/>X.test</a>", "X.test"),
        ("<a href=mailto:a@b.test?subject=x>write</a>", "write (a@b.test)"),
        ("<a href=mailto:a@b.test>a@b.test</a>", "a@b.test"),
        ("<a href='tel:+49 30 1'>call</a>", "call (+49 30 1)"),
        ("<a href=https://x.test/y><img src=z alt='Confirm'></a>", "Confirm (https://x.test/y)"),
        ("<a href=https://x.test/y><img src=z></a>", "https://x.test/y"),
        ("<a href=https://x.test/y><div>Button</div></a><p>next</p>", "Button (https://x.test/y)\n\nnext"),
        ("<a href=https://x.test/y><table><tr><td>Button</table></a>z", "Button (https://x.test/y)\nz"),
        ("<a href='#top'>up</a> <a href='javascript:x()'>js</a> <a name=n>n</a> <a href=''>e</a>", "up js n e"),
        ("<a href='data:text/html,x'>d</a> <a href=page.html>p</a>", "d p"),
        ("<a href='myapp://open'>app</a>", "app (myapp://open)"),
        ("<a href='{{ unsubscribe_url }}'>Unsubscribe</a>", "Unsubscribe ({{ unsubscribe_url }})"),
        ("<a href='\n https://x.test/\ty '>t</a>", "t (https://x.test/y)"),
        ("<a href=https://a.test>one <a href=https://b.test>two", "one (https://a.test) two (https://b.test)"),
    ],
)
def test_links_keep_where_they_lead(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    "hidden",
    [
        "<head><title>Title</title><style>p { color: red }</style></head>",
        "<script>if (a < b) { '</p>' }</script>",
        "<style><p></style>",
        "<!-- comment > -- <p>x</p> -->",
        "<!--[if mso]><table><tr><td>Outlook<![endif]-->",
        "<!doctype html><?xml version='1.0'?><![CDATA[x]]>",
        "<div style='display:none'>preheader <div>inner</div> more</div>",
        "<span style='color:red;DISPLAY : NONE !important'>x</span>",
        "<div style='max-height:0px;overflow:hidden'>x</div>",
        "<p hidden>x</p>",
        "<p style='visibility:hidden'>no end tag<div></div>",
        "<table style='display:none'><tr><td>x</table>",
        "<table><tr><td style='display:none'>x<td></table>",
        "<table><tr><td><div style='display:none'>x</td></tr></table>",
        "<span style=mso-hide:all>x</span>",
        "<svg><title>x</title><text>y</text></svg><select><option>z</select>",
        "<img src=x width=1 height=1 alt=''>",
    ],
)
def test_invisible_content_is_left_out(hidden: str) -> None:
    assert text_from_html(f"<p>before</p>{hidden}<p>after</p>") == "before\n\nafter"


@pytest.mark.parametrize(
    "html",
    [
        "<td style='font-size:0px'><p style='font-size:14px'>shown</p></td>",
        "<a style='text-decoration:none;overflow:hidden'>shown</a>",
        "<div style='opacity:0.9'>shown</div>",
        "<!--[if !mso]><!-->shown<!--<![endif]-->",
        "<![if !mso]>shown<![endif]>",
        "<img alt=shown>",
        "<p aria-hidden=true>shown</p>",
        "<body style='display:none'>shown",
    ],
)
def test_what_clients_show_is_kept(html: str) -> None:
    assert text_from_html(html) == "shown"


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_real_mails_become_text_without_markup(path: Path) -> None:
    text = text_from_html(path.read_text("utf-8"))
    assert "[Company Name, LLC]\n1234 Street Rd.\nSuite 1234" in text
    assert "</" not in text
    assert "&nbsp;" not in text
    assert "\n\n\n" not in text
    assert "preheader" not in text
    assert len(text) > 300


HOSTILE = {
    "nested divs": "<div>" * 25_000 + "x",
    "nested tables": "<table><tr><td>" * 25_000 + "x",
    "nested lists": "<ul><li>x" * 25_000,
    "nested quotes": "<blockquote>" * 25_000 + "x<br>" * 25_000,
    "nested fonts": "".join(f"<font size={n}><p>" for n in range(25_000)) + "x",
    "open links": "<a href=https://x.test/>" * 25_000 + "x",
    "attributes": "<p " + "".join(f"a{n}=1 " for n in range(50_000)) + ">x",
    "image attributes": "<img " + "".join(f"a{n}=1 " for n in range(50_000)) + "alt=x>",
    "2 MiB": "<p>hello</p>" * 174_000,
    "angle brackets": "<" * 1_000_000,
    "open comments": "<!--" * 250_000,
    "open tags": "<a " * 350_000,
    "open quotes": "<a b='" * 150_000 + '"' * 150_000,
    "end tags": "<div>" * 50_000 + "</p></b></td>" * 50_000,
    "ampersands": "&" * 1_000_000,
    "digits": "&#" + "9" * 1_000_000 + ";",
    "scripts": "<script>" * 125_000,
    "hidden": "<div style='display:none'>" * 40_000,
    "max-height": "<p style='" + "max-height:0 " * 75_000 + "'>x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_costs_linear_time(name: str) -> None:
    html = HOSTILE[name]
    texts: list[str] = []
    assert_linear(lambda size: texts.append(text_from_html(html[:size])), len(html))
    assert len(texts[-1]) < 5_000_000


@given(st.text(st.sampled_from("<>/!-\"'= abtdprl&;#x0\n")))
def test_nothing_raises(html: str) -> None:
    assert isinstance(text_from_html(html), str)
