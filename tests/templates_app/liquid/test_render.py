"""Liquid in templates: output, escaping, rejections."""

import pytest

from templates_app.errors import (
    TemplateLimitError,
    TemplateRenderError,
    TemplateSyntaxError,
    UnsafeResultError,
    VariableMissingError,
)
from templates_app.liquid.environment import HTML, PLAIN, LiquidEnvironment, OutputBuffer
from templates_app.liquid.limits import MAX_ITERATIONS, MAX_OUTPUT, RenderBudget
from templates_app.liquid.render import parse, render

ORDER = {"order": {"id": "A-1", "lines": [{"name": "Pen", "price": 1.5}, {"name": "Ink & co", "price": 20}]}}


def show(source: str, environment: LiquidEnvironment = HTML, **variables: object) -> str:
    return render(parse(source, environment), variables, RenderBudget())


def test_values_are_escaped_in_html() -> None:
    assert show("<p>{{ name }}</p>", name="<b>&\"'") == "<p>&lt;b&gt;&amp;&#34;&#39;</p>"


def test_values_stand_as_they_are_in_subject_and_text() -> None:
    assert show("Hi {{ name }}", PLAIN, name="<b>&") == "Hi <b>&"


def test_safe_is_the_authors_word_that_a_value_is_html() -> None:
    assert show("{{ body | safe }}", body="<b>x</b>") == "<b>x</b>"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for line in order.lines %}{{ line.name }};{% endfor %}", "Pen;Ink &amp; co;"),
        ("{% for line in order.lines %}{{ forloop.index }}/{{ forloop.length }} {% endfor %}", "1/2 2/2 "),
        ("{{ order.lines[1].name }} {{ order.lines.first.name }} {{ order.lines.size }}", "Ink &amp; co Pen 2"),
        ("{{ order['id'] | downcase | prepend: '#' }}", "#a-1"),
        ("{% assign x = order.lines | map: 'name' | join: ', ' %}{{ x }}", "Pen, Ink &amp; co"),
        ("{% case order.id %}{% when 'A-1', 'A-1' %}yes{% else %}no{% endcase %}", "yes"),
        ("{% unless order.paid %}open{% endunless %}", "open"),
        ("{% liquid\n  assign a = 'x'\n  echo a\n%}", "x"),
        ("a {%- if true -%} b {%- endif -%} c", "abc"),
        ("{% raw %}{{ name }}{% endraw %}{% comment %}{{ oops {% endcomment %}{% # note %}!", "{{ name }}!"),
        ("{{ '2030-01-31T12:00:00Z' | date: '%d.%m.%Y' }}", "31.01.2030"),
        ("{{ '<p>a &lt; b</p><!-- c --><STYLE>d</style>e' | strip_html }}", "a &lt; be"),
        ("{{ order.lines | map: 'price' | sum }} {{ 5 | times: 3 | minus: 1 }}", "21.5 14"),
        ("{{ order.id | json }}", "&#34;A-1&#34;"),
    ],
)
def test_liquid_prints(source: str, expected: str) -> None:
    assert show(source, **ORDER) == expected


def test_json_inside_a_script_cannot_end_it() -> None:
    assert show("<script>{{ x | json | safe }}</script>", x="</script>") == ('<script>"\\u003c/script\\u003e"</script>')


@pytest.mark.parametrize("source", ["{{ x.__class__ }}", "{{ x['__doc__'] }}", "{{ forloop.__class__ }}"])
def test_attributes_of_objects_are_no_values(source: str) -> None:
    with pytest.raises(VariableMissingError):
        show("{% for i in (1..1) %}" + source + "{% endfor %}", x="a")


def test_all_loops_together_have_a_number_of_passes() -> None:
    loop = f"{{% for i in (1..{MAX_ITERATIONS // 2}) %}}{{% endfor %}}"
    assert show(loop * 2) == ""
    with pytest.raises(TemplateLimitError, match="passes"):
        show(loop * 3)


def test_a_result_of_two_mebibytes_is_taken_and_one_byte_more_is_not() -> None:
    half = "ü" * (MAX_OUTPUT // 4)
    assert len(show("{{ a }}{{ a }}", a=half).encode()) == MAX_OUTPUT
    with pytest.raises(TemplateLimitError, match="larger"):
        show("{{ a }}{{ a }}.", a=half)


def test_a_result_ends_where_it_becomes_too_large() -> None:
    written = OutputBuffer()
    for _ in range(4):
        written.write("a" * (MAX_OUTPUT // 4))
    with pytest.raises(TemplateLimitError, match="larger"):
        written.write("a")
    assert len(written.getvalue()) == MAX_OUTPUT


def test_a_variable_may_have_any_name_that_is_not_reserved() -> None:
    assert show("{{ partial }} {{ now }} {{ content }}", partial="a", now="b", content="c") == "a b c"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("{{ name }}", "name"),
        ("{{ user.name }}", "user.name"),
        ("{{ order.lines[7].name }}", "order.lines[7].name"),
        ("{{ order['unit price'] }}", 'order["unit price"]'),
        ("{{ name | upcase }}", "name"),
        ("{{ order.id | append: name }}", "name"),
        ("{% for x in things %}{% endfor %}", "things"),
        ("{{ order.id.__class__ }}", "order.id.__class__"),
        ("{{ order.lines.append }}", "order.lines.append"),
        ("{{ order.keys }}", "order.keys"),
        ("{% for x in order.lines %}{{ forloop.it }}{% endfor %}", "forloop.it"),
        ("{{ nothing | date: '%Y' }}", "nothing"),
    ],
)
def test_a_missing_variable_is_named(source: str, path: str) -> None:
    with pytest.raises(VariableMissingError) as caught:
        show(source, **ORDER)
    assert caught.value.paths == (path,)


@pytest.mark.parametrize(
    "source",
    [
        "{% if name %}{{ name }}{% endif %}",
        "{{ name | default: '' }}",
        "{{ user.name | default: '' }}",
        "{% if name == 'x' or name contains 'y' or name > 3 %}x{% endif %}",
        "{% unless name %}{% endunless %}",
    ],
)
def test_conditions_and_default_may_ask_for_what_is_missing(source: str) -> None:
    assert show(source) == ""


@pytest.mark.parametrize("environment", [HTML, PLAIN])
@pytest.mark.parametrize(
    "written", ["{{ unsubscribe_url }}", "{{unsubscribe_url}}", "{{   unsubscribe_url\n}}", "{{- unsubscribe_url -}}"]
)
def test_the_unsubscribe_link_stays_a_placeholder(environment: LiquidEnvironment, written: str) -> None:
    source = f'<a href="{written}">x</a>'
    assert show(source, environment) == '<a href="{{ unsubscribe_url }}">x</a>'
    assert show(source, environment, unsubscribe_url="https://evil.test/") == '<a href="{{ unsubscribe_url }}">x</a>'


@pytest.mark.parametrize(
    "source",
    [
        "{{ unsubscribe_url | url_encode }}",
        "{% assign unsubscribe_url = 'x' %}",
        "{% capture unsubscribe_url %}x{% endcapture %}",
        "{% for unsubscribe_url in things %}{% endfor %}",
    ],
)
def test_the_unsubscribe_link_is_reserved(source: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="unsubscribe_url"):
        parse(source)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a\n{{ name", 2),
        ("a\n{% if x %}", 2),
        ("{% for %}{% endfor %}", 1),
        ("a\nb\n{{ x | frobnicate }}", 3),
        ("{% include 'x' %}", 1),
        ("{% render 'x' %}", 1),
        ("\n{% %}", 2),
        ("{{ }}", 1),
        ("{{ a b }}", 1),
        ("\n\n{% raw %}", 3),
        ("{% endif %}", 1),
        ("{{ x | upcase: }} {{ 'a }}", 1),
    ],
)
def test_a_syntax_error_tells_the_line(source: str, line: int) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        parse(source)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 | divided_by: 0 }}",
        "{{ 'a' | upcase: 1, 2 }}",
        "{{ mixed | sort }}",
        "{{ '/w==' | base64_decode }}",
        "{% break %}",
        "{% if mixed < 1 %}{% endif %}",
    ],
)
def test_a_filter_failure_is_a_template_error(source: str) -> None:
    with pytest.raises(TemplateRenderError):
        show(source, mixed=[1, "a", {}])


def test_text_that_postgresql_cannot_store_is_rejected() -> None:
    with pytest.raises(UnsafeResultError):
        show("{{ '%00' | url_decode }}")


def test_a_parsed_template_keeps_nothing_of_a_rendering() -> None:
    template = parse("{% assign x = a %}{{ x }}{% increment n %}{% cycle '1', '2' %}")
    assert [render(template, {"a": value}, RenderBudget()) for value in "pq"] == ["p01", "q01"]
