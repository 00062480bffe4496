"""Templates and the list of messages at Postmark's door, and paths in any case."""

import pytest

from accounts.models import AuditEntry
from messages.models import Message
from templates_app.publishing import publish_template
from templates_app.services import create_template
from tests.gateways.postmark.conftest import EMAIL, Postmark

pytestmark = pytest.mark.django_db


@pytest.fixture
def template(project):
    layout = create_template(project, {"alias": "frame", "html": "<div>{{ content }}</div>"})
    publish_template(layout)
    made = create_template(
        project, {"alias": "hello", "subject": "Hi {{ name }}", "html": "<p>{{ name }}</p>", "layout": "frame"}
    )
    publish_template(made)
    return made


def test_templates_are_listed_and_found_by_number_and_alias(postmark, template, project):
    create_template(project, {"alias": "draft", "text": "Hi"})
    rows = {row["Alias"]: row for row in postmark.get("/templates?Count=10&Offset=0").json()["Templates"]}
    assert {alias: (row["Active"], row["TemplateType"]) for alias, row in rows.items()} == {
        "frame": (True, "Layout"),
        "hello": (True, "Standard"),
        "draft": (False, "Standard"),
    }
    number = rows["hello"]["TemplateId"]
    assert isinstance(number, int)
    for ref in (number, "hello", template.pk):
        found = postmark.get(f"/templates/{ref}").json()
        assert (found["TemplateId"], found["Subject"], found["LayoutTemplate"]) == (number, "Hi {{ name }}", "frame")
    sent = postmark.post(
        "/email/withTemplate",
        {"From": "shop@mine.test", "To": "one@rcpt.test", "TemplateId": number, "TemplateModel": {"name": "Jo"}},
    )
    assert (sent.status_code, Message.objects.get().subject) == (200, "Hi Jo")


@pytest.mark.parametrize(
    ("query", "aliases"),
    [
        ("count=1&offset=1", ["hello"]),
        ("count=9&offset=0&templateType=Layout", ["frame"]),
        ("count=9&offset=0&TemplateType=Standard&LayoutTemplate=frame", ["hello"]),
    ],
)
def test_the_list_is_narrowed(postmark, template, query, aliases):
    assert [row["Alias"] for row in postmark.get(f"/templates?{query}").json()["Templates"]] == aliases


def test_anothers_templates_are_not_found(postmark, template, other_api):
    number = postmark.get("/templates/hello").json()["TemplateId"]
    other = Postmark(other_api)
    for ref in (number, "hello", template.pk, "7" * 40, "0"):
        assert other.get(f"/templates/{ref}").status_code == 404, ref
        assert other.call("PUT", f"/templates/{ref}", {"Subject": "x"}).status_code == 404, ref
        assert other.call("DELETE", f"/templates/{ref}").status_code == 404, ref


def test_a_template_is_written_changed_and_deleted_and_mail_follows_at_once(postmark):
    layout = {"Name": "Frame", "Alias": "frame", "TemplateType": "Layout", "HtmlBody": "<b>{{{ @content }}}</b>"}
    made = postmark.post("/templates", layout)
    assert (made.status_code, made.json()["TemplateType"], made.json()["Active"]) == (200, "Layout", True)
    body = {"Name": "Hello", "Alias": "hello", "Subject": "Hi {{name}}", "HtmlBody": "<p>{{{ name }}}</p>"}
    made = postmark.post("/templates/", {**body, "LayoutTemplate": "frame", "TemplateType": "Standard"})
    assert made.status_code == 200, made.json()
    number = made.json()["TemplateId"]
    sending = {"From": "shop@mine.test", "To": "one@rcpt.test", "TemplateId": number, "TemplateModel": {"name": "<Jo>"}}
    assert postmark.post("/email/withTemplate", sending).status_code == 200
    assert Message.objects.get().content.html == "<b><p>&lt;Jo&gt;</p></b>"
    changed = postmark.call("PUT", f"/templates/{number}", {"Subject": "Hello {{name}}"})
    assert (changed.status_code, changed.json()["TemplateId"]) == (200, number)
    assert postmark.post("/email/withTemplate", sending).status_code == 200
    assert Message.objects.order_by("pk").last().subject == "Hello <Jo>"
    assert "<p>" in postmark.get("/templates/hello").json()["HtmlBody"]
    assert postmark.call("DELETE", "/templates/frame").status_code == 422
    gone = postmark.call("DELETE", "/templates/hello")
    assert gone.json() == {"ErrorCode": 0, "Message": f"Template {number} removed."}
    assert postmark.get(f"/templates/{number}").status_code == 404
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["create_template", "create_template", "change_template", "delete_template"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Name": None}, "Name"),
        ({"Alias": "1st"}, "Alias"),
        ({"HtmlBody": "{{#each items}}x{{/each}}"}, "{{#each items"),
        ({"HtmlBody": "{{^a}}x{{/a}}"}, "HtmlBody"),
        ({"HtmlBody": "{{ a"}, "HtmlBody"),
        ({"HtmlBody": 5}, "HtmlBody"),
        ({"LayoutTemplate": "none"}, "LayoutTemplate"),
        ({"TemplateType": "Other"}, "TemplateType"),
        ({"html": "x"}, "html"),
        ({"HtmlBody": "", "TextBody": ""}, "HtmlBody"),
    ],
)
def test_a_wrong_template_is_refused_and_stores_nothing(postmark, project, change, words):
    body = {"Name": "Hello", "Subject": "Hi", "HtmlBody": "<p>x</p>", **change}
    answer = postmark.post("/templates", body)
    assert (answer.status_code, set(answer.json())) == (422, {"ErrorCode", "Message"})
    assert words in answer.json()["Message"]
    assert not project.templates.exists()


def test_parts_are_validated_one_by_one_and_nothing_is_stored(postmark, project):
    body = {
        "Subject": "Hi {{name}}",
        "HtmlBody": "<p>{{#each items}}x</p>",
        "TextBody": "{{ other }}",
        "TestRenderModel": {"name": "Jo"},
        "InlineCssForHtmlTestRender": True,
        "TemplateType": "Standard",
    }
    answer = postmark.post("/templates/validate", body)
    assert answer.status_code == 200, answer.json()
    found = answer.json()
    assert (found["AllContentIsValid"], found["Subject"]["RenderedContent"]) == (False, "Hi Jo")
    assert found["HtmlBody"]["ValidationErrors"][0]["Message"].startswith("HtmlBody: {{#each items")
    assert "other" in found["TextBody"]["ValidationErrors"][0]["Message"]
    body = {"HtmlBody": "<p>{{ user.name }}</p>", "TestRenderModel": {"user": {"name": "A"}}}
    good = postmark.post("/templates/validate", body)
    assert good.json()["HtmlBody"]["RenderedContent"] == "<p>A</p>"
    assert good.json()["SuggestedTemplateModel"] == {"user": {"name": ""}}
    assert good.json()["TextBody"] is None
    for wrong in ({}, {"TestRenderModel": []}, {"HtmlBody": "x", "colour": "red"}):
        assert postmark.post("/templates/validate", wrong).status_code == 422
    assert not project.templates.exists()


def test_messages_are_listed_by_postmarks_parameters(postmark):
    for to, tag, subject in (("a@rcpt.test", "x", "First"), ("b@rcpt.test", "y", "Second")):
        postmark.post("/email", {**EMAIL, "To": to, "Tag": tag, "Subject": subject, "Metadata": {"order": tag}})

    def find(query: str) -> list[str]:
        answer = postmark.get(f"/messages/outbound?count=10&offset=0&{query}").json()
        assert answer["TotalCount"] == len(answer["Messages"])
        return [row["Subject"] for row in answer["Messages"]]

    assert find("") == ["Second", "First"]
    for query, found in (
        ("recipient=A@rcpt.test", ["First"]),
        ("tag=y&fromEmail=shop@mine.test", ["Second"]),
        ("metadata_order=x", ["First"]),
        ("subject=seco", ["Second"]),
        ("status=sent", []),
        ("status=queued&messageStream=outbound", ["Second", "First"]),
        ("messagestream=none", []),
        ("toDate=2020-01-01", []),
    ):
        assert find(query) == found, query
    assert postmark.get("/messages/outbound?count=10&offset=0&colour=red").status_code == 422


def test_paths_come_in_any_case(postmark):
    assert postmark.get("/deliveryStats").status_code == 200
    assert postmark.get("/Message-Streams/outbound").json()["ID"] == "default"
    assert postmark.post("/EMAIL/batch/", [EMAIL]).json()[0]["ErrorCode"] == 0
    assert postmark.get("/message-streams/Outbound").status_code == 404
    assert postmark.get("/Server").status_code == 404
