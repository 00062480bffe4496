"""Hostile templates: each is stopped soon, and before memory is allocated."""

import tracemalloc

import pytest

from templates_app.errors import TemplateError, TemplateLimitError, TemplateSyntaxError, VariableMissingError
from templates_app.liquid.limits import MAX_SECONDS, RenderBudget
from templates_app.liquid.render import parse, render
from templates_app.liquid.variables import list_variables
from tests.effort import count_calls

TEN = "aaaaaaaaaa"
VARIABLES: dict[str, object] = {
    "big": "a" * 1_000_000,
    "needle": "a" * 50 + "b",
    "letters": "ab" * 500_000,
    "numbers": ",".join(str(number) for number in range(60_000)),
    "opened": "<a" * 500_000,
    "comments": "<!--" * 300_000,
    "x": 1,
    "yes": True,
}

# What is written → what it is answered.
HOSTILE = [
    # Loops.
    ("{% for i in (1..1000000000) %}x{% endfor %}", TemplateLimitError),
    ("{% for i in (1..1000000000) reversed %}x{% endfor %}", TemplateLimitError),
    ("{% for i in (1..99999999999999999999999) limit: 1 %}x{% endfor %}", TemplateLimitError),
    ("{% for a in (1..1000) %}{% for b in (1..1000) %}x{% endfor %}{% endfor %}", TemplateLimitError),
    ("{% for i in (1..15000) %}{% endfor %}" * 100, TemplateLimitError),
    ("{% tablerow i in (1..1000000) cols: 2 %}{% endtablerow %}", TemplateLimitError),
    (
        "{% case 1 %}{% when 1" + ",1" * 1_500 + " %}" + "{% case 1 %}{% when 1" + ",1" * 1_500 + " %}",
        TemplateSyntaxError,
    ),
    # Ranges outside of loops.
    ("{{ (1..1000000000000) | join: ',' }}", TemplateLimitError),
    ("{{ (1..1000000000000) | reverse | size }}", TemplateLimitError),
    ("{% if (1..1000000000000) contains 'a' %}{% endif %}", TemplateLimitError),
    ("{% assign r = (1..1000000000000) %}{{ r | sort }}", TemplateLimitError),
    ("{{ 'a' | append: (1..1000000000000) | slice: 0, 9 }}{% cycle (1..1000000000000) %}", TemplateLimitError),
    # Doubling.
    (f"{{% assign s = '{TEN}' %}}" + "{% assign s = s | append: s %}" * 60, TemplateLimitError),
    (f"{{% assign s = '{TEN}' %}}" + "{% assign s = s | replace: 'a', s %}" * 9, TemplateLimitError),
    (f"{{% assign s = '{TEN}' %}}" + "{% capture s %}{{ s }}{{ s }}{% endcapture %}" * 60, TemplateLimitError),
    ("{% assign l = big | split: ';' %}" + "{% assign l = l | concat: l %}" * 30 + "{{ l }}", TemplateLimitError),
    ("{% assign l = 'a,a' | split: ',' %}" + "{% assign l = l | concat: l %}" * 60, TemplateLimitError),
    ("{{ big | replace: '', big }}", TemplateLimitError),
    ("{{ letters | split: '' | join: big }}", TemplateLimitError),
    ("".join(f"{{% capture c{number} %}}{{{{ big }}}}{{% endcapture %}}" for number in range(500)), TemplateLimitError),
    ("{% for i in (1..20000) %}{{ big }}{% endfor %}", TemplateLimitError),
    ("{{ big }}" * 3, TemplateLimitError),
    # Numbers.
    ("{% assign n = 99 %}" + "{% assign n = n | times: n %}" * 60, TemplateLimitError),
    ("{{ " + "9" * 5_000 + " }}", TemplateLimitError),
    ("{{ 1 | round: 99999999999999999999 }}{{ 'a' | truncate: 99999999999999999999 }}", None),
    ("{{ big | slice: -99999999999999999999999, 9 }}", None),
    # Depth.
    ("{% if yes %}" * 100 + "{% endif %}" * 100, TemplateLimitError),
    ("{% for i in (1..1) %}" * 100 + "{% endfor %}" * 100, TemplateLimitError),
    ("{% if yes" + " and yes" * 440 + " %}{% endif %}", TemplateLimitError),
    ("{{ x" + "[x" * 1_000 + "]" * 1_000 + " }}", TemplateLimitError),
    ("{% liquid\n" + "if yes\n" * 100 + "endif\n" * 100 + "%}", TemplateLimitError),
    # Recursion: there is nothing that a template could call.
    ("{% include 'self' %}", TemplateSyntaxError),
    ("{% render 'self' %}", TemplateSyntaxError),
    ("{% macro m %}{% call m %}{% endmacro %}", TemplateSyntaxError),
    # Attributes: only items of plain data.
    ("{{ x.__class__.__mro__ }}", VariableMissingError),
    ("{{ big.__len__ }}", VariableMissingError),
    ("{{ x['__class__']['__init__']['__globals__'] }}", VariableMissingError),
    ("{% for i in (1..1) %}{{ forloop.__class__ }}{% endfor %}", VariableMissingError),
    # Sources that are slow to read.
    ("{% raw %}" * 200_000, TemplateSyntaxError),
    ("{{" * 500_000, TemplateSyntaxError),
    ("{% comment %}{{" * 100_000, TemplateSyntaxError),
    ("{% " + "a" * 500_000, TemplateSyntaxError),
    ("{%" + " " * 1_000_000, TemplateSyntaxError),
    ("{{ " + "(" * 3_900 + " }}", TemplateLimitError),
    ("{{ " + '["' * 1_900 + " }}", TemplateLimitError),
    ("{% liquid echo x" + " " * 3_900 + "y %}", TemplateLimitError),
    ("{{ x }}" * 20_000, TemplateLimitError),
    (("{{ x" + "|upcase" * 500 + " }}") * 100, TemplateLimitError),
    ("x" * 3_000_000, TemplateLimitError),
    # Filters that look through much, again and again.
    ("{{ letters | split: '' | uniq | size }}", TemplateLimitError),
    ("{{ numbers | split: ',' | uniq | size }}", None),
    ("{{ opened | strip_html | size }}{{ comments | strip_html | size }}", None),
    ("{% for i in (1..20000) %}{% if big contains needle %}{% endif %}{% endfor %}", TemplateLimitError),
    ("{% if big contains needle %}{% endif %}" * 2_490, TemplateLimitError),
    ("{% for i in (1..20000) %}{% cycle big, big %}{% endfor %}", TemplateLimitError),
    ("{% for i in (1..20000) %}{% assign y = big | upcase %}{% endfor %}", TemplateLimitError),
    ("{% for i in (1..20000) %}{{ letters | escape_once | size }}{% endfor %}", TemplateLimitError),
    ("{{ 'now' | date: '%999999999d' | size }}", None),
    ("{{ 'now' | date: big }}", TemplateError),
    ("{{ big | date: '%Y' | size }}", None),
]


@pytest.mark.parametrize(("source", "error"), HOSTILE, ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_a_hostile_template_is_stopped_after_bounded_work(source: str, error: type[TemplateError] | None) -> None:
    caught: list[TemplateError] = []

    def use() -> None:
        try:
            template = parse(source)
            list_variables(template)
            # Counting slows it several times, so an honest template gets more time here.
            render(template, VARIABLES, RenderBudget(seconds=60.0 if error is None else MAX_SECONDS))
        except TemplateError as exception:
            caught.append(exception)

    # A second or so of Python; the worst of these takes a third of it.
    assert count_calls(use) < 3_000_000
    assert len(caught) == (0 if error is None else 1)
    assert error is None or isinstance(caught[0], error)


@pytest.mark.parametrize(
    "source",
    [
        "{{ big | replace: '', big }}",
        "{% for i in (1..1000000000) reversed %}x{% endfor %}",
        "{% assign l = big | split: ';' %}" + "{% assign l = l | concat: l %}" * 30 + "{{ l }}",
        "".join(f"{{% capture c{number} %}}{{{{ big }}}}{{% endcapture %}}" for number in range(500)),
        "{{ letters | split: '' | join: big }}",
    ],
)
def test_a_hostile_template_takes_little_memory(source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TemplateLimitError):
            render(parse(source), VARIABLES, RenderBudget())
        assert tracemalloc.get_traced_memory()[1] < 100 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_an_honest_large_template_passes() -> None:
    row = "{% for line in lines %}<tr><td>{{ line.name | escape }}</td><td>{{ line.price }}</td></tr>{% endfor %}"
    lines = [{"name": f"line {number}", "price": number} for number in range(500)]
    assert render(parse(row * 8), {"lines": lines}, RenderBudget()).count("<tr>") == 4_000
