"""POST /api/v1/templates/{id or alias}/test."""

from typing import Any

import pytest

from accounts.models import Project
from accounts.scopes import ALL, EMAILS_SEND, TEMPLATES_WRITE
from messages.models import Message
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db
WELCOME = {"alias": "welcome", "subject": "Hi {{ name }} & co", "html": "<p>{{ name }}</p>", "text": "{{ name }}!"}
TEST = {"to": "me@rcpt.test", "template_vars": {"name": "<Ann>"}, "from_": "shop@mine.test"}


@pytest.fixture
def template(api: Any) -> dict[str, Any]:
    body: dict[str, Any] = api.post("/templates", WELCOME).json()
    return body


def codes(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.content
    return {error["field"]: error["code"] for error in answer.json()["errors"]}


def test_the_draft_is_sent_as_it_is_now(api, template):
    answer = api.post("/templates/welcome/test", TEST)
    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"/api/v1/emails/{body['id']}")
    assert (body["status"], body["subject"], body["to"]) == ("queued", "Hi <Ann> & co", ["me@rcpt.test"])
    shown = api.get(f"/emails/{body['id']}").json()
    assert (shown["html"], shown["text"]) == ("<p>&lt;Ann&gt;</p>", "<Ann>!")
    assert shown["template_id"] == template["id"]
    assert api.get("/emails?template_id=welcome").json()["data"][0]["id"] == body["id"]


def test_by_its_id_and_with_a_slash_it_is_the_same(api, template):
    assert api.post(f"/templates/{template['id']}/test/", TEST).status_code == 202


def test_a_published_version_is_sent_when_it_is_named(api, template):
    api.post("/templates/welcome/publish")
    api.patch("/templates/welcome", {"subject": "Draft"})
    first = api.post("/templates/welcome/test", {**TEST, "version": 1}).json()
    assert first["subject"] == "Hi <Ann> & co"
    assert api.post("/templates/welcome/test", TEST).json()["subject"] == "Draft"
    assert Message.objects.get(pk=first["id"]).template_version.number == 1
    assert api.post("/templates/welcome/test", {**TEST, "version": 2}).status_code == 404


def test_a_missing_variable_sends_nothing(api, template):
    answer = api.post("/templates/welcome/test", {**TEST, "template_vars": {}})
    assert codes(answer) == {"template_vars.name": "template_variable_missing"}
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"to": None}, "to", "required"),
        ({"to": "nobody"}, "to", "invalid_address"),
        ({"to": [f"a{n}@x.test" for n in range(51)]}, "to", "too_many_recipients"),
        ({"template_vars": ["x"]}, "template_vars", "not_a_dict"),
        ({"version": "1"}, "version", "invalid"),
        ({"subject": "x"}, "subject", "unknown_field"),
        ({"from_": None}, "from_", "required"),
    ],
)
def test_what_is_wrong_is_named(api, template, values, field, code):
    assert codes(api.post("/templates/welcome/test", {**TEST, **values})) == {field: code}
    assert not Message.objects.exists()


def test_a_draft_without_a_subject_cannot_be_rendered_as_mail(api):
    api.post("/templates", {"alias": "bare", "html": "<p>x</p>"})
    assert codes(api.post("/templates/bare/test", TEST)) == {"template_vars": "template_result_empty"}


def test_it_needs_leave_to_send_beside_leave_to_write(make_api, template):
    for scopes, missing in (([TEMPLATES_WRITE], EMAILS_SEND), (ALL - {TEMPLATES_WRITE}, TEMPLATES_WRITE)):
        answer = make_api(scopes=scopes).post("/templates/welcome/test", TEST)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
        assert missing in answer.json()["detail"]
    assert make_api(scopes=[TEMPLATES_WRITE, EMAILS_SEND]).post("/templates/welcome/test", TEST).status_code == 202
    assert make_api(scopes=[TEMPLATES_WRITE]).post("/templates/none/test", TEST).status_code == 404


def test_the_keys_recipients_and_the_senders_domain_hold_for_it_too(make_api, template):
    limited = make_api(allowed_recipients=["*@mine.test"])
    assert limited.post("/templates/welcome/test", TEST).json()["code"] == "recipient_not_allowed"
    assert limited.post("/templates/welcome/test", {**TEST, "to": "a@mine.test"}).status_code == 202
    sync_shared_provider("smtp://relay.test:25")
    routes.forget()
    assert make_api().post("/templates/welcome/test", TEST).json()["code"] == "sender_not_verified"
    assert make_api(is_test=True).post("/templates/welcome/test", TEST).json()["test"] is True


def test_a_suppressed_address_is_not_sent_to(api, template, project: Project):
    suppress(project.pk, Entry(address="me@rcpt.test", reason="manual"))
    body = api.post("/templates/welcome/test", TEST).json()
    assert (body["status"], body["status_reason"]) == ("failed", "suppressed")


def test_the_authors_way_to_unsubscribe_works_in_it(api, template):
    assert api.post("/templates/welcome/test", TEST).json()["enable_unsubscribe"] is False
    api.patch("/templates/welcome", {"text": "{{ name }} {{unsubscribe_url}}"})
    assert api.post("/templates/welcome/test", TEST).json()["enable_unsubscribe"] is True


def test_the_same_idempotency_key_sends_one(api, template):
    first = api.post("/templates/welcome/test", TEST, Idempotency_Key="k")
    again = api.post("/templates/welcome/test", TEST, Idempotency_Key="k")
    assert (again.status_code, again["Idempotency-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    assert Message.objects.count() == 1


def test_another_projects_template_is_as_missing(other_api, api, template):
    for ref in (template["id"], "welcome"):
        assert other_api.post(f"/templates/{ref}/test", TEST).status_code == 404
    assert api.get("/templates/welcome/test").status_code == 405
