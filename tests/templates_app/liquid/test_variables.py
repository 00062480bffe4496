"""The variables that a template needs, determined without rendering."""

import pytest

from templates_app.liquid.render import parse
from templates_app.liquid.variables import build_sample, list_optional_variables, list_variables


@pytest.mark.parametrize(
    ("source", "needed", "optional"),
    [
        ("Hi {{ name }} of {{ company.name }}", ["company", "name"], []),
        ("{{ unsubscribe_url }} {{ content }} {{ now | date: '%Y' }}", [], []),
        ("{% for line in order.lines %}{{ line.name }} {{ forloop.index }}{% endfor %}", ["order"], []),
        ("{% tablerow x in xs cols: n %}{{ x }}{{ tablerowloop.col }}{% endtablerow %}", ["n", "xs"], []),
        ("{% for i in (1..n) %}{{ i }}{% endfor %}", ["n"], []),
        ("{% assign a = b | append: c %}{{ a }}{% capture d %}{{ e }}{% endcapture %}{{ d }}", ["b", "c", "e"], []),
        ("{{ nick | default: name }}", [], ["name", "nick"]),
        ("{{ nick | default: 'you' }}{{ nick }}", ["nick"], []),
        ("{% if name %}Hi {{ name }}{% endif %}", [], ["name"]),
        ("{% if name %}Hi {{ name }}{% else %}{{ name }}{% endif %}", ["name"], []),
        ("{% if a and b.c == 1 %}{{ a }}{{ b.d }}{{ e }}{% endif %}", ["e"], ["a", "b"]),
        ("{% if a or b %}{{ a }}{% endif %}", ["a"], ["b"]),
        ("{% if a %}{% elsif b %}{{ b }}{% endif %}", [], ["a", "b"]),
        ("{% unless a %}{{ b }}{% endunless %}", ["b"], ["a"]),
        ("{% case plan %}{% when 'pro', 'max' %}{{ plan }}{{ seats }}{% endcase %}", ["seats"], ["plan"]),
        ("{{ items[i].name }}{{ x['a b'] }}", ["i", "items", "x"], []),
        ("{% cycle a, b %}{% increment k %}{{ k }}", ["a", "b"], []),
        ("{% raw %}{{ no }}{% endraw %}{% comment %}{{ no }}{% endcomment %}", [], []),
    ],
)
def test_needed_variables_are_those_without_which_rendering_may_fail(
    source: str, needed: list[str], optional: list[str]
) -> None:
    template = parse(source)
    assert (list_variables(template), list_optional_variables(template)) == (needed, optional)


def test_several_parts_are_read_together() -> None:
    assert list_variables(parse("{{ b }}"), parse("{{ a }}{{ b }}")) == ["a", "b"]


def test_a_sample_has_the_shape_that_the_template_reads() -> None:
    template = parse(
        "{{ user.name }}{% for line in order.lines %}{{ line.name }}{% for tag in line.tags %}{{ tag }}{% endfor %}"
        "{% endfor %}{{ order.id }}{{ list[0].x }}{{ list.size }}"
    )
    assert build_sample(template) == {
        "user": {"name": ""},
        "order": {"lines": [{"name": "", "tags": [""]}], "id": ""},
        "list": [{"x": ""}],
    }
