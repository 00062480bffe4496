"""/api/v1/templates: drafts."""

import pytest

from accounts.scopes import TEMPLATES_READ, TEMPLATES_WRITE
from templates_app.models import Template

WELCOME = {
    "alias": "welcome",
    "name": "Welcome",
    "subject": "Hi {{ name }}",
    "html": "<p>Hi {{ name }}, {{ plan | default: 'free' }}</p>",
    "text": "Hi {{ name }}",
}
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def template(api):
    response = api.post("/templates", WELCOME)
    assert response.status_code == 201, response.content
    return response.json()


def check_error(response, status, field, code):
    assert response.status_code == status, response.content
    found = [(error["field"], error["code"]) for error in response.json()["errors"]]
    assert (field, code) in found
    return next(error["message"] for error in response.json()["errors"] if error["field"] == field)


def test_create_answers_the_draft_and_what_it_needs(api):
    response = api.post("/templates", WELCOME)
    assert response.status_code == 201
    body = response.json()
    assert response["Location"].endswith(f"/api/v1/templates/{body['id']}")
    assert {name: body[name] for name in WELCOME} == WELCOME
    assert body["variables"] == ["name"]
    assert body["optional_variables"] == ["plan"]
    assert body["published_version"] is None
    assert body["layout"] is None
    assert body["mjml"] == ""
    assert body["inline_css"] is False
    assert body["created_at"].endswith("Z")


def test_a_template_is_found_by_id_and_by_alias(api, template):
    assert api.get(f"/templates/{template['id']}").json() == template
    assert api.get("/templates/welcome").json() == template
    assert api.get("/templates/welcome/").json() == template


def test_the_name_is_the_alias_where_none_is_given(api):
    assert api.post("/templates", {"alias": "a", "text": "x"}).json()["name"] == "a"
    check_error(api.post("/templates", {"text": "x"}), 422, "name", "required")


def test_list_is_newest_first_and_cut_into_pages(api, template):
    second = api.post("/templates", {**WELCOME, "alias": "second"}).json()
    body = api.get("/templates?limit=1").json()
    assert [row["id"] for row in body["data"]] == [second["id"]]
    assert (body["has_more"], body["limit"], body["next"]) == (True, 1, second["id"])
    assert [row["id"] for row in api.get(f"/templates?after={second['id']}").json()["data"]] == [template["id"]]
    assert [row["id"] for row in api.get("/templates?alias=welcome").json()["data"]] == [template["id"]]
    assert api.get("/templates?alias=nope").json() == {"data": [], "has_more": False, "limit": 20, "next": None}
    assert api.get("/templates?limit=101").status_code == 422


def test_list_asks_the_same_number_of_questions_however_many_there_are(api, template, django_assert_max_num_queries):
    for number in range(5):
        api.post("/templates", {**WELCOME, "alias": f"t{number}", "layout": None})
        api.post(f"/templates/t{number}/publish")
    with django_assert_max_num_queries(4):
        assert len(api.get("/templates").json()["data"]) == 6


def test_patch_changes_what_it_names_and_keeps_the_rest(api, template):
    body = api.patch("/templates/welcome", {"subject": "Hello {{ who }}", "text": None}).json()
    assert body["subject"] == "Hello {{ who }}"
    assert body["text"] == ""
    assert body["html"] == WELCOME["html"]
    assert body["variables"] == ["name", "who"]
    assert body["updated_at"] > template["updated_at"]
    assert body["id"] == template["id"]


def test_delete_leaves_nothing_to_be_found_and_frees_the_alias(api, template):
    assert api.delete("/templates/welcome").status_code == 204
    for path in ("/templates/welcome", f"/templates/{template['id']}"):
        assert api.get(path).status_code == 404
        assert api.delete(path).status_code == 404
        assert api.patch(path, {"name": "x"}).status_code == 404
    assert api.get("/templates").json()["data"] == []
    assert api.post("/templates", WELCOME).status_code == 201


def test_an_alias_belongs_to_one_template_of_a_project(api, make_api, other_project, template):
    response = api.post("/templates", WELCOME)
    assert (response.status_code, response.json()["code"]) == (409, "alias_taken")
    api.post("/templates", {"alias": "second"})
    response = api.patch("/templates/second", {"alias": "welcome"})
    assert (response.status_code, response.json()["code"]) == (409, "alias_taken")
    assert make_api(other_project).post("/templates", WELCOME).status_code == 201


@pytest.mark.parametrize(
    "alias", ["1st", "a b", "a/b", "-a", "ä", "a" * 65, "abcdef01-2345-7890-abcd-ef0123456789", "a" * 32]
)
def test_an_alias_is_a_name_and_no_id(api, alias):
    check_error(api.post("/templates", {"alias": alias}), 422, "alias", "invalid_alias")


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"html": "a\n{{ name"}, "html", "template_syntax_error"),
        ({"text": "{% if %}"}, "text", "template_syntax_error"),
        ({"subject": "{{ x | nope }}"}, "subject", "template_syntax_error"),
        ({"subject": "{{ unsubscribe_url }}"}, "subject", "template_syntax_error"),
        ({"mjml": "<mjml><mj-body>{% for %}</mj-body></mjml>"}, "mjml", "template_syntax_error"),
        ({"mjml": "<p>"}, "mjml", "mjml_error"),
        ({"html": "{{ x }}" * 6_000}, "html", "template_limit_exceeded"),
        ({"html": "<a href='javascript:alert(1)'>x</a>"}, "html", "template_result_unsafe"),
        ({"html": "x", "mjml": "<mjml><mj-body></mj-body></mjml>"}, "mjml", "content_conflict"),
        ({"html": 5}, "html", "invalid"),
        ({"inline_css": "yes"}, "inline_css", "invalid"),
        ({"subject": "a\r\nBcc: x@y.test"}, "subject", "control_character"),
        ({"htm": "x"}, "htm", "unknown_field"),
        ({"layout": "nope"}, "layout", "template_not_found"),
        ({"layout": ID}, "layout", "template_not_found"),
        ({"published_version": 1}, "published_version", "unknown_field"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(api, template, values, field, code):
    check_error(api.post("/templates", {"alias": "other", **values}), 422, field, code)
    check_error(api.patch("/templates/welcome", {"html": "", **values}), 422, field, code)
    assert Template.objects.count() == 1
    assert api.get("/templates/welcome").json() == template


def test_a_syntax_error_tells_the_line(api):
    response = api.post("/templates", {"alias": "a", "html": "<p>\n\n{% if name %}"})
    assert "Line 3" in check_error(response, 422, "html", "template_syntax_error")


def test_a_link_may_hold_what_only_a_variable_decides(api):
    html = """<a href="{{ scheme }}://x.test">a</a><a href="{{ url | default: 'https://x.test' }}">b</a>"""
    assert api.post("/templates", {"alias": "a", "html": html}).status_code == 201


def test_a_layout_adds_its_variables(api):
    layout = api.post("/templates", {"alias": "base", "html": "<h1>{{ brand }}</h1>{{ content }}"}).json()
    body = api.post("/templates", {**WELCOME, "layout": "base"}).json()
    assert body["layout"] == layout["id"]
    assert body["variables"] == ["brand", "name"]
    assert layout["variables"] == ["brand"]
    assert api.patch("/templates/welcome", {"layout": None}).json()["variables"] == ["name"]


def test_layouts_do_not_go_in_circles_or_too_deep(api):
    for number in range(5):
        layout = f"t{number - 1}" if number else None
        response = api.post("/templates", {"alias": f"t{number}", "html": "{{ content }}", "layout": layout})
        if number == 4:
            check_error(response, 422, "layout", "layout_error")
    for layout in ("t0", "t3"):
        check_error(api.patch("/templates/t0", {"layout": layout}), 422, "layout", "layout_error")


def test_a_layout_is_not_deleted_under_its_users(api):
    api.post("/templates", {"alias": "base", "html": "{{ content }}"})
    api.post("/templates", {**WELCOME, "layout": "base"})
    response = api.delete("/templates/base")
    assert (response.status_code, response.json()["code"]) == (409, "template_in_use")
    assert "welcome" in response.json()["detail"]
    api.delete("/templates/welcome")
    assert api.delete("/templates/base").status_code == 204


def test_another_projects_templates_do_not_exist(api, make_api, other_project, template):
    stranger = make_api(other_project)
    for ref in ("welcome", template["id"]):
        missing = stranger.get(f"/templates/{ID}").json()
        for response in (
            stranger.get(f"/templates/{ref}"),
            stranger.patch(f"/templates/{ref}", {"name": "x"}),
            stranger.delete(f"/templates/{ref}"),
            stranger.post(f"/templates/{ref}/publish"),
            stranger.post(f"/templates/{ref}/preview", {}),
            stranger.get(f"/templates/{ref}/versions"),
        ):
            assert response.status_code == 404
            assert {**response.json(), "request_id": ""} == {**missing, "request_id": ""}
        check_error(stranger.post("/templates", {"alias": "x", "layout": ref}), 422, "layout", "template_not_found")
    assert stranger.get("/templates").json()["data"] == []


def test_reading_and_writing_have_scopes_of_their_own(make_api, template):
    reader, writer = make_api(scopes=[TEMPLATES_READ]), make_api(scopes=[TEMPLATES_WRITE])
    assert reader.get("/templates/welcome").status_code == 200
    assert reader.post("/templates/welcome/preview", {"template_vars": {"name": "A"}}).status_code == 200
    assert writer.patch("/templates/welcome", {"name": "x"}).status_code == 200
    for response in (
        reader.post("/templates", WELCOME),
        reader.patch("/templates/welcome", {}),
        reader.delete("/templates/welcome"),
        reader.post("/templates/welcome/publish"),
        writer.get("/templates/welcome"),
        writer.get("/templates/welcome/versions"),
    ):
        assert (response.status_code, response.json()["code"]) == (403, "missing_scope")


@pytest.mark.parametrize("ref", ["%00", "a%00b", "..%2f", "%F0%9F%98%80", "x" * 3_000, "' OR 1=1 --"])
def test_a_strange_name_is_not_found(api, db, ref):
    assert api.get(f"/templates/{ref}").status_code == 404
