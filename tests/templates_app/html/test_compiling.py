"""MJML, CSS inlining and layouts, with Liquid in every place where authors put it."""

from collections.abc import Callable

import pytest

from templates_app.errors import InlineCssError, LayoutError, MjmlError, TemplateLimitError, TemplateSyntaxError
from templates_app.html.compiling import compile_mjml, inline_css
from templates_app.layouts import TemplateSource, compile_source, fill_layout
from templates_app.liquid.limits import RenderBudget
from templates_app.liquid.render import parse, render


def show(source: str, **variables: object) -> str:
    return render(parse(source), variables, RenderBudget())


MJML = """<mjml><mj-body>
{% for section in sections %}<mj-section>{% if section.title %}<mj-column>
<mj-text color="{{ color }}">Hi {{ section.title | default: "<b>" }} &amp; you</mj-text>
{% for link in section.links %}<mj-button href="{{ link.url | default: "https://x.test" }}">{{ link.name }}</mj-button>
{% endfor %}<mj-raw><a href="{{ unsubscribe_url }}">bye</a></mj-raw></mj-column>{% endif %}</mj-section>{% endfor %}
</mj-body></mjml>"""


def test_mjml_becomes_html_around_its_liquid() -> None:
    html = show(
        compile_mjml(MJML),
        color="#123456",
        sections=[
            {"title": "<One>", "links": [{"url": "https://a.test/?x=1&y=2", "name": "A"}, {"name": "B"}]},
            {"title": "Two", "links": []},
            {"title": False, "links": []},
        ],
    )
    assert "mj-" not in html.partition("<body")[2].replace("mj-column", "").replace("mj-outlook", "")
    assert html.count("color:#123456") == 2
    assert "Hi &lt;One&gt; &amp; you" in html
    assert 'href="https://a.test/?x=1&amp;y=2"' in html
    assert 'href="https://x.test"' in html
    assert html.count('<a href="{{ unsubscribe_url }}">bye</a>') == 2


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("<mjml><mj-head><mj-title>ééééééééééééé{{ a\n}}</mj-title>\nwords</mj-head><mj-body></mj-body></mjml>", 3),
        ("<mjml><mj-body><mj-section bad</mj-body></mjml>", None),
        ("not mjml", None),
        ("<mjml><mj-body><mj-include path='/etc/passwd' /></mj-body></mjml>", 1),
        ("<mjml><mj-body><mj-include path='http://127.0.0.1/x' /></mj-body></mjml>", 1),
    ],
)
def test_broken_mjml_is_reported_with_its_line(source: str, line: int | None) -> None:
    with pytest.raises(MjmlError) as caught:
        compile_mjml(source)
    assert caught.value.line == line


PAGE = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/x.dtd">
<html><head><title>{{ title }}</title>
<style>td { color: {{ brand }}; } a:hover { color: red } @media (max-width: 600px) { td { width: 100% } }</style></head>
<body><table>{% for row in rows %}<tr>{% if row.name %}<td class="{% if row.odd %}odd{% endif %}" {{ extra }}>
<a href="{{ row.url | default: "https://x.test" }}">{{ row.name }}</a></td>{% endif %}</tr>{% endfor %}</table>
<!--[if mso]><p style="width: {{ width }}px">{% if mso %}{{ mso }}{% endif %}</p><![endif]-->
{% raw %}{{ kept }}{% endraw %}<p style="width: {{ width }}px">&nbsp;&copy;</p></body></html>"""


def test_styles_are_inlined_around_liquid() -> None:
    html = show(
        inline_css(PAGE),
        title="T",
        brand="#abcdef",
        extra="x",
        width=7,
        mso="office",
        rows=[{"name": "One", "url": "https://a.test", "odd": True}, {"name": "Two"}, {"name": None}],
    )
    assert html.startswith('<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"')
    assert html.count('style="color: #abcdef;"') == 2
    assert html.count("<tr>") == html.count("</tr>") == 3
    assert "tbody" not in html
    assert 'class="odd"' in html
    assert "a:hover" in html
    assert "@media (max-width: 600px)" in html
    assert '<a href="https://x.test">Two</a>' in html
    assert '<!--[if mso]><p style="width: 7px">office</p><![endif]-->' in html
    assert '{{ kept }}<p style="width: 7px">&nbsp;' in html


def test_a_fragment_stays_a_fragment_when_inlined() -> None:
    html = inline_css("{% for x in xs %}<style>p { color: red }</style><p>{{ x }}</p>{% endfor %}")
    assert show(html, xs=[1, 2]).count('<p style="color: red;">') == 2
    assert "<body" not in html


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("<p\n{% if a %}class='x'{% endif %}>x</p>", 1),
        ("\n\n<style>\n{% if a %}p { color: red }{% endif %}</style>", 4),
    ],
)
def test_styles_are_not_inlined_where_a_tag_would_move(source: str, line: int) -> None:
    with pytest.raises(InlineCssError) as caught:
        inline_css(source)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("operation", "source"),
    [
        (compile_mjml, "<mjml><mj-body>" + "<mj-wrapper>" * 20_000 + "</mj-wrapper>" * 20_000 + "</mj-body></mjml>"),
        (inline_css, "<style>b b { color: red }</style>" + "<b>" * 100_000),
    ],
)
def test_nesting_that_kills_the_compiler_kills_nothing_else(operation: Callable[[str], str], source: str) -> None:
    with pytest.raises(TemplateLimitError):
        operation(source)


def test_stylesheets_and_images_elsewhere_are_not_fetched() -> None:
    html = inline_css('<link rel="stylesheet" href="http://127.0.0.1:9/x.css"><style>p { color: red }</style><p>x</p>')
    assert '<p style="color: red;">x</p>' in html


LAYOUT = TemplateSource(
    html="<html><body><h1>{{ brand }}</h1>{{- content -}}</body></html>", text="== {{ brand }}\n{{content}}"
)


def test_a_layout_surrounds_html_and_text_but_not_the_subject() -> None:
    parts = compile_source(
        fill_layout(LAYOUT, TemplateSource(subject="Hi {{ name }}", html="<p>{{ name }}</p>", text="{{ name }}"))
    )
    assert parts.subject == "Hi {{ name }}"
    assert show(parts.html, brand="B", name="N") == "<html><body><h1>B</h1><p>N</p></body></html>"
    assert show(parts.text, brand="B", name="N") == "== B\nN"


def test_a_layout_without_text_leaves_the_text_alone() -> None:
    assert fill_layout(TemplateSource(html="{{ content }}"), TemplateSource(text="plain")).text == "plain"


def test_layouts_stand_in_each_other_up_to_a_limit() -> None:
    outer = TemplateSource(html="[{{ content }}]")
    for _ in range(3):
        inner = outer
        outer = fill_layout(outer, TemplateSource(html="({{ content }})"))
    assert inner.html == "[(({{ content }}))]"
    with pytest.raises(LayoutError, match="more than 3"):
        fill_layout(outer, TemplateSource(html="x"))


@pytest.mark.parametrize("html", ["no slot", "{{ content }}{{ content }}", "{% raw %}{{ content }}{% endraw %}"])
def test_a_layout_must_have_one_slot(html: str) -> None:
    with pytest.raises(LayoutError, match="exactly once"):
        fill_layout(TemplateSource(html=html), TemplateSource(html="x"))


def test_an_mjml_layout_takes_sections_and_html() -> None:
    layout = TemplateSource(mjml="<mjml><mj-body>{{ content }}</mj-body></mjml>")
    section = TemplateSource(mjml="<mj-section><mj-column><mj-text>{{ name }}</mj-text></mj-column></mj-section>")
    assert "N</div>" in show(compile_source(fill_layout(layout, section)).html, name="N")
    assert "<p>N</p></div></body>" in show(
        compile_source(fill_layout(layout, TemplateSource(html="<p>{{ name }}</p>"))).html, name="N"
    )
    with pytest.raises(LayoutError, match="layout in MJML"):
        fill_layout(LAYOUT, section)


def test_styles_of_the_layout_reach_the_content() -> None:
    layout = TemplateSource(
        html="<html><head><style>p { color: red }</style></head><body>{{ content }}</body></html>", is_inlined=True
    )
    html = compile_source(fill_layout(layout, TemplateSource(html="{% if a %}<p>x</p>{% endif %}"))).html
    assert '{% if a %}<p style="color: red;">x</p>{% endif %}' in html


def test_unclosed_liquid_is_reported_before_compilation() -> None:
    with pytest.raises(TemplateSyntaxError):
        compile_mjml("<mjml><mj-body>{{ x</mj-body></mjml>")
