"""The admin's pages on templates."""

import json

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Project
from templates_app.models import Template
from templates_app.services import create_template, publish_template

pytestmark = pytest.mark.django_db
VALUES = {
    "alias": "welcome",
    "subject": "Hi {{ user.name }}",
    "html": "<p>{{ user.name }}</p>",
    "text": "{{ user.name }}",
}


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def admin() -> Client:
    return log_in(User.objects.create_superuser("root"))


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("support", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return log_in(user)


@pytest.fixture
def template(project: Project) -> Template:
    return create_template(project, VALUES)


def fill(project: Project, **values: str) -> dict[str, str]:
    return {
        "project": str(project.pk),
        "alias": "new",
        "name": "",
        "subject": "s",
        "html": "",
        "text": "x",
        "mjml": "",
        "layout": "",
        "versions-TOTAL_FORMS": "0",
        "versions-INITIAL_FORMS": "0",
        **values,
    }


def preview(client: Client, **posted: str) -> dict[str, object]:
    response = client.post(reverse("admin:templates_template_preview"), posted)
    assert response.status_code == 200, response.content
    return response.json()


def frame(client: Client, **posted: str) -> str:
    response = client.post(reverse("admin:templates_template_frame"), posted)
    assert response.status_code == 200
    policy = response["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; ")
    assert "script-src" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    return response.content.decode()


def change_url(template: Template) -> str:
    return reverse("admin:templates_template_change", args=[template.pk])


def test_the_page_has_a_preview_in_a_sandbox_and_a_form_for_the_variables(admin: Client, template: Template) -> None:
    page = admin.get(change_url(template)).content.decode()
    assert '<iframe name="template-preview-frame" sandbox=""' in page
    assert "&quot;user&quot;: {\n    &quot;name&quot;: &quot;&quot;" in page
    assert f'data-template="{template.pk}"' in page
    assert "templates_app/preview.js" in page
    assert finders.find("templates_app/preview.js")
    assert finders.find("templates_app/preview.css")
    assert admin.get(reverse("admin:templates_template_changelist")).status_code == 200
    assert admin.get(reverse("admin:templates_template_add")).status_code == 200


def test_preview_renders_the_unsaved_draft_and_stores_nothing(admin: Client, template: Template) -> None:
    posted = {"subject": "New {{ a }}", "html": "<!DOCTYPE html><p>{{ a }}</p>", "text": "", "mjml": ""}
    posted |= {"template": str(template.pk), "variables": '{"a": "<script>"}'}
    assert preview(admin, **posted) == {"subject": "New <script>", "text": ""}
    assert frame(admin, **posted) == "<!DOCTYPE html><p>&lt;script&gt;</p>"
    template.refresh_from_db()
    assert template.subject == VALUES["subject"]


def test_preview_is_in_the_chosen_language_with_its_fallbacks(admin: Client, project: Project) -> None:
    stored = create_template(
        project,
        {**VALUES, "default_locale": "en", "locales": {"de": {"subject": "Hallo", "html": "", "text": "Hallo"}}},
    )
    page = admin.get(change_url(stored)).content.decode()
    assert '<option value="de">' in page
    assert 'id="template-preview-locale"' in page
    posted = {"template": str(stored.pk), "variables": '{"user": {"name": "Ann"}}'}
    for locale, subject in (("de-AT", "Hallo"), ("fr", "Hi Ann"), ("", "Hi Ann"), ("DE_at", "Hallo")):
        assert preview(admin, **posted, preview_locale=locale)["subject"] == subject
    unsaved = json.dumps({"de": {"subject": "Servus", "text": "x"}})
    assert preview(admin, **posted, preview_locale="de", locales=unsaved)["subject"] == "Servus"
    for wrong, field in (
        ({"preview_locale": "not a language"}, "locale"),
        ({"locales": "[1]"}, "locales"),
        ({"locales": '{"de": 5}'}, "locales"),
        ({"locales": '{"de": {"subject": 5}}'}, "locales"),
        ({"locales": '{"!": {}}'}, "locales"),
    ):
        assert [name for name, _ in preview(admin, **posted, **wrong)["errors"]] == [field]


def test_preview_shows_the_saved_template_where_nothing_is_written(admin: Client, template: Template) -> None:
    shown = preview(admin, template=str(template.pk), variables='{"user": {"name": "Ann"}}')
    assert (shown["subject"], shown["text"]) == ("Hi Ann", "Ann")


def test_preview_uses_the_layout_that_is_chosen(admin: Client, project: Project, other_project: Project) -> None:
    for owner, mark in ((project, "own"), (other_project, "foreign")):
        layout = create_template(owner, {"alias": "base", "html": f"<h1>{mark}</h1>{{{{ content }}}}"})
        html = frame(admin, project=str(project.pk), subject="s", html="<p>x</p>", layout=str(layout.pk))
        assert html == ("<h1>own</h1><p>x</p>" if mark == "own" else "<p>x</p>")


@pytest.mark.parametrize(
    ("posted", "field"),
    [
        ({"html": "{{ x", "variables": "{}"}, "html"),
        ({"html": "{{ x }}", "variables": "{}"}, "template_vars.x"),
        ({"html": "{{ x }}", "variables": "{"}, "variables"),
        ({"html": "{{ x }}", "variables": "[1]"}, "variables"),
        ({"html": "{{ x }}", "variables": "[" * 5_000}, "variables"),
        ({"html": "", "mjml": "<p>", "variables": "{}"}, "mjml"),
        ({"html": "<a href='{{ x }}'>", "variables": '{"x": "javascript:a"}'}, "template_vars.x"),
    ],
)
def test_preview_reports_errors(admin: Client, project: Project, posted: dict[str, str], field: str) -> None:
    answer = preview(admin, project=str(project.pk), subject="s", **posted)
    assert [name for name, _ in answer["errors"]] == [field]
    assert "<a" not in frame(admin, project=str(project.pk), subject="s", **posted)


def test_saving_checks_as_the_api_does(admin: Client, project: Project) -> None:
    url = reverse("admin:templates_template_add")
    for values, words in (
        ({"html": "{% if %}"}, "missing expression"),
        ({"alias": "1st"}, "Must begin with a letter"),
        ({"alias": ""}, "A template needs a name or an alias."),
        ({"html": "x", "mjml": "y"}, "Give html or mjml, not both."),
    ):
        assert words in admin.post(url, fill(project, **values)).content.decode()
    assert Template.objects.count() == 0
    assert admin.post(url, fill(project, html="<p>{{ a }}</p>")).status_code == 302
    stored = Template.objects.get()
    assert (stored.alias, stored.name, stored.variables) == ("new", "new", ["a"])
    assert AuditEntry.objects.get().action == "add_template"
    assert "already has a template with the alias new" in admin.post(url, fill(project)).content.decode()


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ('{"de": 5}', "locales.de"),
        ("[1]", "locales"),
        ('{"de": {"text": 5}}', "locales.de.text"),
        ('{"de": {"subject": ["s"], "text": {"a": 1}}}', "locales.de.subject"),
        ('{"de": {"body": "x"}}', "Unknown field"),
        ('{"de": {"text": "\\u0000"}}', "locales.de.text"),
        ('{"de": {"text": "\\ud800"}}', "locales.de.text"),
        ("[" * 50_000, "nested too deeply"),
        ("{", "valid JSON"),
    ],
    ids=range(9),
)
def test_languages_are_checked_as_the_api_does(admin: Client, project: Project, posted: str, words: str) -> None:
    answer = admin.post(reverse("admin:templates_template_add"), fill(project, text="x", locales=posted))
    assert (answer.status_code, words in answer.content.decode()) == (200, True)
    assert Template.objects.count() == 0


def test_a_draft_is_changed_and_published(admin: Client, project: Project, template: Template) -> None:
    changed = fill(project, alias="welcome", name="W", text="{{ b }}", inline_css="on")
    assert admin.post(change_url(template), changed).status_code == 302
    template.refresh_from_db()
    assert (template.name, template.text, template.variables, template.inline_css) == ("W", "{{ b }}", ["b"], True)
    url = reverse("admin:templates_template_publish", args=[template.pk])
    assert admin.get(url).status_code == 404
    page = admin.post(url, follow=True).content.decode()
    assert "New mail uses version 1." in page
    assert AuditEntry.objects.filter(action="publish_template").count() == 1


def test_publication_errors_are_reported(admin: Client, project: Project) -> None:
    empty = create_template(project, {"alias": "empty"})
    url = reverse("admin:templates_template_publish", args=[empty.pk])
    assert "Not published. A template needs HTML, MJML or text." in admin.post(url, follow=True).content.decode()


def test_deleting_keeps_the_row_and_refuses_layouts_in_use(admin: Client, project: Project, template: Template) -> None:
    publish_template(template)
    create_template(project, {"alias": "inner", "html": "x", "layout": "welcome"})
    url = reverse("admin:templates_template_delete", args=[template.pk])
    assert "inner, whose layout it is" in admin.get(url).content.decode()
    admin.post(url, {"post": "yes"})
    template.refresh_from_db()
    assert template.deleted_at is None
    Template.objects.filter(alias="inner").update(layout=None)
    admin.post(url, {"post": "yes"})
    template.refresh_from_db()
    assert template.deleted_at is not None
    assert template.versions.count() == 1


def test_support_without_the_permission_looks_but_does_not_touch(template: Template) -> None:
    client = staff("view_template")
    assert client.get(change_url(template)).status_code == 200
    assert preview(client, template=str(template.pk), variables='{"user": {"name": "A"}}')["subject"] == "Hi A"
    assert client.post(reverse("admin:templates_template_publish", args=[template.pk])).status_code == 403
    assert client.post(change_url(template), {"alias": "x"}).status_code == 403
    nobody = Client()
    assert nobody.post(reverse("admin:templates_template_preview")).status_code == 302
