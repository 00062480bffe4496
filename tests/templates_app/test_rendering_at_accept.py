"""Content of emails that name a template."""

from uuid import uuid4

import pytest

from accounts.models import Project
from common.errors import InvalidFieldsError
from templates_app.layouts import Parts
from templates_app.models import Template
from templates_app.services import (
    Renderer,
    create_template,
    delete_template,
    publish_template,
    render_for_accept,
    update_template,
)
from templates_app.template_parts import ParsedCache, parse_parts
from tests.effort import count_calls

VALUES = {
    "alias": "order",
    "subject": "Order {{ order.id }} for {{ name }}",
    "html": "<p>Hi {{ name }}</p>{% for line in order.lines %}<p>{{ line }}</p>{% endfor %}"
    "<a href='{{ unsubscribe_url }}'>x</a>",
    "text": "Hi {{ name }}",
}
VARIABLES = {"name": "Ann & Bob", "order": {"id": 7, "lines": ["Pen", "Ink"]}}


@pytest.fixture
def template(project: Project) -> Template:
    template = create_template(project, VALUES)
    publish_template(template)
    return template


def check_refused(project: Project, ref: str, variables: dict[str, object], *expected: tuple[str, str]) -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        render_for_accept(project, template_ref=ref, variables=variables)
    assert [(error.field, error.code) for error in caught.value.errors] == list(expected)


def test_a_published_template_renders_each_part_in_its_own_way(project: Project, template: Template) -> None:
    for ref in ("order", str(template.pk)):
        rendered = render_for_accept(project, template_ref=ref, variables=VARIABLES)
        assert rendered.subject == "Order 7 for Ann & Bob"
        assert rendered.html == ("<p>Hi Ann &amp; Bob</p><p>Pen</p><p>Ink</p><a href='{{ unsubscribe_url }}'>x</a>")
        assert rendered.text == "Hi Ann & Bob"
        assert template.published_version is not None
        assert (rendered.template_id, rendered.version_id) == (template.pk, template.published_version.pk)


def test_a_blank_part_is_treated_as_missing(project: Project, template: Template) -> None:
    publish_template(update_template(template, {"html": "{% if html %}<p>{{ html }}</p>{% endif %}\n"}))
    assert render_for_accept(project, template_ref="order", variables=VARIABLES).html is None


def test_drafts_and_other_projects_templates_are_refused(
    project: Project, other_project: Project, template: Template
) -> None:
    create_template(project, {"alias": "draft", "text": "x"})
    check_refused(project, "draft", {}, ("template_id", "template_not_published"))
    check_refused(project, "nope", {}, ("template_id", "template_not_found"))
    check_refused(project, str(uuid4()), {}, ("template_id", "template_not_found"))
    check_refused(other_project, "order", {}, ("template_id", "template_not_found"))
    check_refused(other_project, str(template.pk), {}, ("template_id", "template_not_found"))
    delete_template(template)
    check_refused(project, "order", {}, ("template_id", "template_not_found"))


def test_every_variable_that_is_missing_is_named(project: Project, template: Template) -> None:
    missing = "template_variable_missing"
    check_refused(
        project, "order", {}, *((f"template_vars.{path}", missing) for path in ("order.id", "name", "order.lines"))
    )
    check_refused(project, "order", {**VARIABLES, "order": {"id": 1}}, ("template_vars.order.lines", missing))


@pytest.mark.parametrize("name", ["a\r\nBcc: x@y.test", "a\nb", "a\x0bb", "a\x85b", "a\u2028b", "a\x00b", "a\x7f"])
def test_a_subject_with_controls_is_refused_naming_the_variable(
    project: Project, template: Template, name: str
) -> None:
    check_refused(project, "order", {**VARIABLES, "name": name}, ("template_vars.name", "template_result_unsafe"))


def test_a_subject_that_is_too_long_or_empty_is_refused(project: Project, template: Template) -> None:
    publish_template(update_template(template, {"subject": "{{ name }}"}))
    check_refused(project, "order", {**VARIABLES, "name": "a" * 999}, ("template_vars", "template_limit_exceeded"))
    check_refused(project, "order", {**VARIABLES, "name": " "}, ("template_vars", "template_result_empty"))
    assert (
        len(render_for_accept(project, template_ref="order", variables={**VARIABLES, "name": "a" * 998}).subject) == 998
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", " JaVa\nScript:x", "vbscript:x", "data:text/html,x", "file:///x"]
)
def test_a_link_from_a_variable_leads_to_people_and_pages(project: Project, template: Template, url: str) -> None:
    publish_template(update_template(template, {"html": "<a href='{{ url }}'>x</a>"}))
    check_refused(project, "order", {**VARIABLES, "url": url}, ("template_vars.url", "template_result_unsafe"))
    for good in ("https://x.test/?a=b", "mailto:a@x.test", "tel:+49", "#a", "/a"):
        assert render_for_accept(project, template_ref="order", variables={**VARIABLES, "url": good}).html


def test_text_about_links_is_mailed(project: Project, template: Template) -> None:
    name = """<a href="javascript:alert(1)"> href=javascript:alert(1)"""
    assert "javascript:alert(1)" in (
        render_for_accept(project, template_ref="order", variables={**VARIABLES, "name": name}).html or ""
    )


def test_accepted_mail_does_not_follow_the_draft(project: Project, template: Template) -> None:
    update_template(template, {"text": "new"})
    assert render_for_accept(project, template_ref="order", variables=VARIABLES).text == "Hi Ann & Bob"


def test_a_batch_of_one_template_asks_the_database_once(
    project: Project, template: Template, django_assert_num_queries: object
) -> None:
    render_for_accept(project, template_ref="order", variables=VARIABLES)
    renderer = Renderer(project)

    def render_all() -> None:
        for number in range(500):
            assert renderer.render("order", {**VARIABLES, "name": f"n{number}"}).text == f"Hi n{number}"

    with django_assert_num_queries(1):  # type: ignore[operator]
        calls = count_calls(render_all)
    # Nothing is parsed again.
    assert calls < 500 * 1_000


def test_a_batch_keeps_the_version_that_it_began_with(project: Project, template: Template) -> None:
    renderer = Renderer(project)
    first = renderer.render("order", VARIABLES)
    publish_template(update_template(template, {"text": "new"}))
    assert renderer.render("order", VARIABLES) == first
    assert Renderer(project).render("order", VARIABLES).text == "new"


def test_a_batch_asks_once_for_a_template_that_is_not_there(
    project: Project, django_assert_num_queries: object
) -> None:
    renderer = Renderer(project)
    # The second look makes sure that nobody is refused by what the process had cached.
    with django_assert_num_queries(2):  # type: ignore[operator]
        for _ in range(3):
            with pytest.raises(InvalidFieldsError):
                renderer.render("nope", {})


@pytest.mark.slow("spends the limit of a request on hostile templates")
def test_a_batch_of_hostile_emails_costs_little_more_than_one(project: Project) -> None:
    html = "{% for i in (1..15000) %}{% if big contains needle %}{% endif %}{% endfor %}x"
    publish_template(create_template(project, {"alias": "slow", "subject": "s", "html": html}))
    renderer, variables = Renderer(project), {"big": "a" * 500_000, "needle": "a" * 50 + "b"}

    def refuse(count: int) -> None:
        for _ in range(count):
            with pytest.raises(InvalidFieldsError) as caught:
                renderer.render("slow", variables)
            assert caught.value.errors[0].code == "template_limit_exceeded"

    first = count_calls(lambda: refuse(1))
    assert count_calls(lambda: refuse(99)) < 5 * first


def test_the_cache_drops_the_least_recently_used_entry() -> None:
    parsed, ids = parse_parts(Parts(subject="s", html="h", text="")), [uuid4() for _ in range(4)]
    cache = ParsedCache(max_count=2, max_size=100)
    cache.put(ids[0], parsed, 10)
    cache.put(ids[1], parsed, 10)
    assert cache.get(ids[0]) is parsed
    cache.put(ids[2], parsed, 10)
    assert [cache.get(key) is not None for key in ids[:3]] == [True, False, True]
    cache.put(ids[3], parsed, 95)
    assert [cache.get(key) is not None for key in ids] == [False, False, False, True]
    assert cache.size == 95


@pytest.mark.django_db
def test_the_text_of_an_outer_layout_survives_a_middle_one_without_text(project):
    outer = create_template(
        project, {"alias": "outer", "html": "<b>{{ content }}</b>", "text": "top\n{{ content }}\nend"}
    )
    publish_template(outer)
    middle = create_template(project, {"alias": "middle", "html": "<i>{{ content }}</i>", "layout": "outer"})
    publish_template(middle)
    inner = create_template(
        project, {"alias": "inner", "subject": "Hi", "html": "x", "text": "hello", "layout": "middle"}
    )
    publish_template(inner)
    rendered = render_for_accept(project, template_ref="inner", variables={})
    assert (rendered.html, rendered.text) == ("<b><i>x</i></b>", "top\nhello\nend")
    without = create_template(project, {"alias": "without", "subject": "Hi", "html": "x", "layout": "middle"})
    publish_template(without)
    assert render_for_accept(project, template_ref="without", variables={}).text is None
