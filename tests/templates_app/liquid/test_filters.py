"""Filters of our own: amounts, dates in a time zone, and what React escapes."""

import pytest

from templates_app.errors import TemplateRenderError, VariableMissingError
from templates_app.liquid.environment import HTML, PLAIN
from templates_app.liquid.limits import RenderBudget
from templates_app.liquid.render import parse, render

WHEN = "2026-07-01T10:30:15.123456Z"


def show(source: str, locale: str = "", **variables: object) -> str:
    return render(parse(source, PLAIN), variables, RenderBudget(), locale)


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("{{ 19.9 | fixed: 2 }}", "19.90"),
        ("{{ '1234.565' | fixed: 2 }}", "1234.57"),
        ("{{ 2.5 | fixed: 0 }}", "3"),
        ("{{ -0.001 | fixed: 2 }}", "0.00"),
        ('{{ 19.9 | money: "EUR" }}', "€19.90"),
        ('{{ 1234567.5 | money: "USD" }}', "$1,234,567.50"),
        ('{{ -5 | money: "usd" }}', "-$5.00"),
        ('{{ 500 | money: "JPY" }}', "¥500"),
        ('{{ 1 | money: "KWD" }}', "KWD\u00a01.000"),
    ],
)
def test_amounts_are_printed_with_all_digits(source: str, printed: str) -> None:
    assert show(source) == printed


@pytest.mark.parametrize(
    ("locale", "printed"),
    [
        ("de", "1.234,50\u00a0€"),
        ("de-DE", "1.234,50\u00a0€"),
        ("de-AT", "€\u00a01.234,50"),
        ("fr", "1\u202f234,50\u00a0€"),
        ("en-GB", "€1,234.50"),
        ("xx", "€1,234.50"),
    ],
)
def test_amounts_follow_the_language(locale: str, printed: str) -> None:
    assert show('{{ 1234.5 | money: "EUR" }}', locale) == printed


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' | fixed: 2 }}",
        "{{ true | fixed: 2 }}",
        "{{ 'nan' | fixed: 2 }}",
        "{{ '1e400' | fixed: 2 }}",
        "{{ 1 | fixed: 99 }}",
        "{{ 1 | money }}",
        "{{ 1 | money: 'EURO' }}",
        "{{ d | date: '%H', 'Europe/Nowhere' }}",
        "{{ d | date: '%H', '../../etc/passwd' }}",
    ],
)
def test_what_cannot_be_printed_is_an_error(source: str) -> None:
    with pytest.raises(TemplateRenderError):
        show(source, d=WHEN)


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ('{{ d | date: "%H:%M", "Europe/Berlin" }}', "12:30"),
        ('{{ d | date: "%H:%M %z", "Asia/Kolkata" }}', "16:00 +0530"),
        ('{{ d | date: "%H:%M" }}', "10:30"),
        ('{{ d | date: "%L %N %3N %:z" }}', "123 123456000 123 +00:00"),
        ('{{ d | date: "%:z", "America/New_York" }}', "-04:00"),
        ('{{ d | date: "%%L" }}', "%L"),
        ('{{ "2026-01-01T12:00:00+05:00" | date: "%H" }}', "12"),
        ('{{ "soon" | date: "%H", "Europe/Berlin" }}', "soon"),
    ],
)
def test_dates_are_printed_as_clocks_show_them_there(source: str, printed: str) -> None:
    assert show(source, d=WHEN) == printed


@pytest.mark.parametrize(
    "source", ["{{ x }}", "{{ x.y }}", "{{ o.y }}", "{{ x | upcase }}", "{% for i in x %}{% endfor %}"]
)
def test_null_counts_as_missing(source: str) -> None:
    with pytest.raises(VariableMissingError):
        show(source, x=None, o={"y": None})


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("{% if x %}a{% else %}b{% endif %}", "b"),
        ("{% if x == nil %}a{% endif %}", "a"),
        ("{% if o.z == nil %}a{% endif %}", "a"),
        ("{{ x | default: 'c' }}", "c"),
        ("{% assign y = nil %}{{ y }}d", "d"),
    ],
)
def test_conditions_and_defaults_take_null(source: str, printed: str) -> None:
    assert show(source, x=None, o={}) == printed


def test_null_in_a_joined_list_is_printed_as_nothing() -> None:
    assert show('{{ x | join: "," }}', x=[1, None, 2]) == "1,,2"
    assert show('{{ x | map: "a" | join }}', x=[{"a": None}, {"a": 1}]) == " 1"


def test_liquid_that_react_has_escaped_is_read() -> None:
    source = "{{ name | default: &quot;you&quot; }}{% if n &gt; 1 %}s{% endif %}<!-- -->"
    assert render(parse(source, HTML), {"n": 2}, RenderBudget()) == "yous<!-- -->"
