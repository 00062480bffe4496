"""Templates and the list of messages at Postmark's door, and paths in any case."""

import pytest

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


def test_templates_are_not_written_here_and_anothers_are_not_found(postmark, template, other_api):
    answer = postmark.post("/templates/", {"Name": "A"})
    assert (answer.status_code, answer.json()["ErrorCode"]) == (405, 405)
    number = postmark.get("/templates/hello").json()["TemplateId"]
    for ref in (number, "hello", template.pk, "7" * 40, "0"):
        assert Postmark(other_api).get(f"/templates/{ref}").status_code == 404, ref


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
