"""The placeholder of the unsubscribe link, in what editors make of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates_app.unsubscribe_placeholder import (
    fill_placeholders,
    has_brace,
    has_broken_placeholder,
    has_placeholder,
)
from tests.effort import assert_linear

URL = "https://mail.test/u/T"


@pytest.mark.parametrize(
    ("body", "filled"),
    [
        ("{{ unsubscribe_url }}", URL),
        ("{{unsubscribe_url}} {{-unsubscribe_url-}}", f"{URL} {URL}"),
        ("{{{unsubscribe_url}}}", URL),
        ("{{ UNSUBSCRIBE_URL }}", URL),
        ("{{&nbsp;unsubscribe&#95;url&nbsp;}}", URL),
        ("{{ unsubscribe\\_url }}", URL),
        ("{{ unsub\u00adscribe_url }}", URL),
        ("%7B%7Bunsubscribe_url%7D%7D", URL),
        ("%257B%257Bunsubscribe_url%257D%257D", URL),
        ("&#123;&#x7b; unsubscribe_url &rcub;&rbrace;", URL),
        ("{{ <b>unsubscribe</b>_url }}", URL),
        ("{{{{unsubscribe_url}}}}", URL),
        ("%7B%7B+unsubscribe_url+%7D%7D", URL),
        ("&amp;#123;&amp;#123;unsubscribe_url&amp;rcub;&amp;rcub;", URL),
        ("\uff5b\uff5bunsubscribe\uff3furl\uff5d\uff5d", URL),
        ('<a href="http://{{ unsubscribe_url }}">', f'<a href="{URL}">'),
        ('<a href="//{{ unsubscribe_url }}/">', f'<a href="{URL}">'),
        ('<a href="/%7B%7Bunsubscribe_url%7D%7D">', f'<a href="{URL}">'),
        ("<a href='https://editor.test/x/%7B%7Bunsubscribe_url%7D%7D'>", f"<a href='{URL}'>"),
        ('<a href="http:{{ unsubscribe_url }}">', f'<a href="{URL}">'),
        ('<a href="x-webdoc://0F8FAD5B/{{ unsubscribe_url }}">', f'<a href="{URL}">'),
        ('<a href="file:///C:/mail/%7B%7Bunsubscribe_url%7D%7D">', f'<a href="{URL}">'),
        ('<a href="about:blank{{ unsubscribe_url }}">', f'<a href="{URL}">'),
        ("Unsubscribe:{{ unsubscribe_url }}", f"Unsubscribe:{URL}"),
        ("<a href='https://x.test/?next={{ unsubscribe_url }}'>", f"<a href='https://x.test/?next={URL}'>"),
    ],
)
def test_each_form_is_filled(body: str, filled: str) -> None:
    assert has_placeholder(body)
    assert not has_broken_placeholder(body)
    assert fill_placeholders(body, URL) == filled


@pytest.mark.parametrize(
    "body",
    [
        "{unsubscribe_url}",
        "{{ unsubscribe_url }",
        "{{ unsub<b>scribe_url }}</b>",
        "{{ unsubscribe_url | upcase }}",
        "{{ unsubscribe_url }} and {unsubscribe_url}",
        "%7Bunsubscribe_url%7D",
        "{% unsubscribe_url %}",
        '{{ "unsubscribe_url" }}',
        "unsubscribe_url }}",
        "Unsub<b>SCRIBE</b>_url%257d",
        "%7bunsubscribe_url",
        "&amp;LCUB; unsubscribe_url",
    ],
)
def test_a_damaged_one_is_found(body: str) -> None:
    assert has_placeholder(body)
    assert has_broken_placeholder(body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "unsubscribe_url",
        "{{ unsubscribe }}",
        "https://x.test/unsubscribe_url/{{ x }}",
        '{"unsubscribe_url": "https://x.test"}',
        "{% if unsubscribe_url %}",
    ],
)
def test_other_text_is_left_alone(body: str) -> None:
    assert not has_placeholder(body)
    assert fill_placeholders(body, URL) == body


@pytest.mark.parametrize(
    "part", ["{", "{{ unsub", "%7B", "&#123;", "{{<b>", "unsubscribe_url", "{{ ", "http://", "{+", "{%", "&amp;"]
)
def test_hostile_text_costs_linear_time(part: str) -> None:
    def work(size: int) -> None:
        body = part * (size // len(part))
        has_broken_placeholder(body)
        fill_placeholders(body, URL)

    assert_linear(work, 400_000)


FORMS = (
    *(
        "{",
        "}}",
        "%7B",
        "%7d",
        "&#123;",
        "&amp;",
        "lcub;",
        "unsub",
        "scribe",
        "Unsubscribe",
        "_",
        "\\_",
        "\uff3f",
        "%5F",
    ),
    *(
        "%255f",
        "&#95;",
        "&#x5F;",
        "&LOWBAR;",
        "url",
        "u",
        "r",
        "l",
        " ",
        "<b>",
        "</b>",
        "&nbsp;",
        "\xad",
        "-",
        "'",
        "x",
    ),
)


@given(st.lists(st.sampled_from(FORMS), max_size=10).map("".join), st.sampled_from(FORMS), st.sampled_from(FORMS))
def test_the_look_at_the_end_of_the_name_changes_nothing(name: str, before: str, behind: str) -> None:
    for body in (name, f"{before}unsubscribe{name}url{behind}", f"{before}{name}scribe_u{behind}rl{before}"):
        assert has_placeholder(body) == has_brace(body, 0, len(body))
