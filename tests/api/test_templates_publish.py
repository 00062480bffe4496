"""/api/v1/templates: publishing, versions and previews."""

import re

import pytest
from django.db import IntegrityError, transaction

from templates_app.models import Version

WELCOME = {"alias": "welcome", "subject": "Hi {{ name }}", "html": "<p>{{ name }}</p>", "text": "{{ name }}!"}


@pytest.fixture
def template(api):
    return api.post("/templates", WELCOME).json()


def check_error(response, field, code):
    assert response.status_code == 422, response.content
    assert (field, code) in [(error["field"], error["code"]) for error in response.json()["errors"]]


def test_publish_makes_a_version_of_the_draft(api, template):
    body = api.post("/templates/welcome/publish").json()
    assert body["published_version"] == 1
    assert body["id"] == template["id"]
    assert api.get("/templates/welcome").json()["published_version"] == 1


def test_each_published_change_has_the_next_number(api, template):
    api.post("/templates/welcome/publish")
    api.patch("/templates/welcome", {"html": "<b>{{ name }} {{ more }}</b>"})
    assert api.get("/templates/welcome").json()["published_version"] == 1
    assert api.post(f"/templates/{template['id']}/publish", {}).json()["published_version"] == 2
    body = api.get("/templates/welcome/versions").json()
    assert [(row["number"], row["html"], row["variables"]) for row in body["data"]] == [
        (2, "<b>{{ name }} {{ more }}</b>", ["more", "name"]),
        (1, "<p>{{ name }}</p>", ["name"]),
    ]
    assert (body["has_more"], body["limit"], body["next"]) == (False, 20, None)
    assert api.get("/templates/welcome/versions?limit=1").json()["has_more"] is True


def test_publishing_an_unchanged_draft_twice_makes_one_version(api, template):
    assert api.post("/templates/welcome/publish").json()["published_version"] == 1
    assert api.post("/templates/welcome/publish").json()["published_version"] == 1
    assert Version.objects.count() == 1


def test_an_older_version_can_be_published_again(api, template):
    api.post("/templates/welcome/publish")
    api.patch("/templates/welcome", {"text": "new {{ name }}"})
    api.post("/templates/welcome/publish")
    assert api.post("/templates/welcome/publish", {"version": 1}).json()["published_version"] == 1
    assert Version.objects.count() == 2
    assert api.post("/templates/welcome/publish", {"version": 3}).status_code == 404
    check_error(api.post("/templates/welcome/publish", {"version": 0}), "version", "min_value")


def test_a_version_never_changes(api, template):
    api.post("/templates/welcome/publish")
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        Version.objects.update(html="other")
    assert Version.objects.get().html == "<p>{{ name }}</p>"


def test_a_template_without_content_is_not_published(api):
    api.post("/templates", {"alias": "empty", "subject": "x", "html": " \n"})
    check_error(api.post("/templates/empty/publish"), "html", "required")


def test_preview_shows_the_draft(api, template):
    body = api.post("/templates/welcome/preview", {"template_vars": {"name": "<Ann>"}}).json()
    assert body == {"subject": "Hi <Ann>", "html": "<p>&lt;Ann&gt;</p>", "text": "<Ann>!"}


def test_preview_shows_a_version(api, template):
    api.post("/templates/welcome/publish")
    api.patch("/templates/welcome", {"subject": "New {{ name }}", "html": None})
    values = {"template_vars": {"name": "A"}}
    assert api.post("/templates/welcome/preview", values).json() == {"subject": "New A", "html": None, "text": "A!"}
    body = api.post("/templates/welcome/preview?version=1", values).json()
    assert body == {"subject": "Hi A", "html": "<p>A</p>", "text": "A!"}
    assert api.post("/templates/welcome/preview?version=9", values).status_code == 404
    check_error(api.post("/templates/welcome/preview?version=x", values), "version", "invalid")


def test_preview_keeps_the_unsubscribe_link_as_it_stands(api, template):
    api.patch("/templates/welcome", {"html": "<a href='{{unsubscribe_url}}'>{{ name }}</a>"})
    body = api.post("/templates/welcome/preview", {"template_vars": {"name": "A"}}).json()
    assert body["html"] == "<a href='{{ unsubscribe_url }}'>A</a>"


@pytest.mark.parametrize("body", [None, {}, {"template_vars": None}, {"template_vars": {}}])
def test_preview_names_every_missing_variable(api, template, body):
    api.patch("/templates/welcome", {"html": "{{ name }} {{ order.id }}{% if x %}{{ y }}{% endif %}"})
    response = api.post("/templates/welcome/preview", body)
    assert response.status_code == 422
    assert response.json()["code"] == "template_variable_missing"
    assert [error["field"] for error in response.json()["errors"]] == ["template_vars.name", "template_vars.order.id"]


@pytest.mark.parametrize(
    ("html", "variables", "field", "code"),
    [
        ("{{ 1 | divided_by: 0 }}", {}, "template_vars", "template_render_error"),
        ("{% for i in (1..9999999) %}{% endfor %}", {}, "template_vars", "template_limit_exceeded"),
        ("<a href='{{ x.url }}'>", {"x": {"url": "javascript:a"}}, "template_vars.x.url", "template_result_unsafe"),
        ("<a href={{ x }}script:a>", {"x": "java"}, "template_vars", "template_result_unsafe"),
        ("x", {"name": "a\r\nBcc: b@c.test"}, "template_vars.name", "template_result_unsafe"),
        ("x", {"name": "a" * 1_000}, "template_vars", "template_limit_exceeded"),
        ("x", ["name"], "template_vars", "not_a_dict"),
    ],
)
def test_preview_rejects_content_that_sending_would_reject(api, template, html, variables, field, code):
    api.patch("/templates/welcome", {"html": html})
    values = {"name": "A", **variables} if isinstance(variables, dict) else variables
    check_error(api.post("/templates/welcome/preview", {"template_vars": values}), field, code)


BASE = {
    "alias": "base",
    "html": "<html><body><h1>{{ brand }}</h1>{{ content }}</body></html>",
    "text": "{{ content }}\n--",
}


def test_a_published_version_is_wrapped_in_its_layout(api, template):
    api.post("/templates", BASE)
    api.patch("/templates/welcome", {"layout": "base"})
    check_error(api.post("/templates/welcome/publish"), "layout", "layout_error")
    assert api.post("/templates/base/publish").json()["published_version"] == 1
    body = api.post("/templates/welcome/publish").json()
    assert (body["published_version"], body["variables"]) == (1, ["brand", "name"])
    shown = api.post("/templates/welcome/preview?version=1", {"template_vars": {"name": "A", "brand": "B"}}).json()
    assert shown["html"] == "<html><body><h1>B</h1><p>A</p></body></html>"
    assert shown["text"] == "A!\n--"


def test_a_published_version_keeps_its_layout(api, template):
    api.post("/templates", BASE)
    api.post("/templates/base/publish")
    api.patch("/templates/welcome", {"layout": "base"})
    api.post("/templates/welcome/publish")
    api.patch("/templates/base", {"html": "<i>{{ content }}</i>"})
    api.post("/templates/base/publish")
    values = {"template_vars": {"name": "A", "brand": "B"}}
    assert "<h1>B</h1>" in api.post("/templates/welcome/preview?version=1", values).json()["html"]
    assert api.post("/templates/welcome/preview", values).json()["html"] == "<i><p>A</p></i>"
    assert api.post("/templates/welcome/publish").json()["published_version"] == 2


def test_a_layout_can_be_looked_at_alone(api):
    api.post("/templates", BASE)
    body = api.post("/templates/base/preview", {"template_vars": {"brand": "B"}}).json()
    assert body["subject"] == ""
    assert "<h1>B</h1>" in body["html"]


def test_mjml_and_inlined_styles_are_compiled_when_published(api):
    mjml = (
        "<mjml><mj-head><mj-style>.big { font-size: 30px }</mj-style></mj-head><mj-body>{% for x in xs %}<mj-section>"
        '<mj-column><mj-text><p class="big">{{ x }}</p></mj-text></mj-column></mj-section>{% endfor %}</mj-body></mjml>'
    )
    created = api.post("/templates", {"alias": "m", "subject": "s", "mjml": mjml, "inline_css": True}).json()
    assert (created["mjml"], created["html"], created["variables"]) == (mjml, "", ["xs"])
    api.post("/templates/m/publish")
    version = api.get("/templates/m/versions").json()["data"][0]
    assert re.search(r'<p class="big" style="[^"]*font-size: 30px;">\{\{ x \}\}</p>', version["html"])
    shown = api.post("/templates/m/preview", {"template_vars": {"xs": ["<a>", "b"]}}).json()
    assert shown["html"].count("font-size: 30px;") == 2
    assert "&lt;a&gt;" in shown["html"]


def test_publishing_reports_styles_that_cannot_be_inlined(api):
    html = "<style>{% if dark %}p { color: red }{% endif %}</style><p>x</p>"
    api.post("/templates", {"alias": "s", "subject": "s", "html": html, "inline_css": True})
    check_error(api.post("/templates/s/publish"), "html", "inline_css_error")
