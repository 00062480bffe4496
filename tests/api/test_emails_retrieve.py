"""GET /api/v1/emails/{id}."""

import json
import uuid

import pytest

from tests.common.readers import is_utc

pytestmark = pytest.mark.django_db
# The members that PRODUCT's map of the API promises, and what is beside them.
MEMBERS = {
    *("id", "status", "from_", "to", "cc", "bcc", "reply_to", "subject", "html", "text", "template_id", "domain_id"),
    *("tags", "metadata", "priority", "track_opens", "track_clicks", "enable_unsubscribe", "created_at"),
    *("scheduled_at", "queued_at", "sent_at", "delivered_at", "failed_at", "bounced_at", "cancelled_at", "expires_at"),
    *(
        "stream",
        "locale",
        "forwarded_to",
        "resent_from",
        "message_id",
        "status_reason",
        "recipients",
        "attempts",
        "attachments",
    ),
}
BESIDE = {"bodies_purged_at", "test", "headers", "on_uncertain", "events"}
RECIPIENT = {"address", "name", "kind", "status", "status_reason", "next_attempt_at", "last_reply"}
ATTEMPT = {
    *("number", "recipient", "provider", "started_at", "finished_at", "outcome", "code", "enhanced_code", "reply"),
    *("reason", "about", "remote_host", "remote_id", "tls", "next_attempt_at", "decision"),
}


def test_the_detail_has_every_member_that_was_promised(api, post):
    body = api.get(f"/emails/{post()['id']}").json()
    assert body.keys() == MEMBERS | BESIDE
    assert body["recipients"][0].keys() == RECIPIENT
    assert body["attempts"] == []


def test_both_forms_of_the_path_answer_alike(api, post):
    pk = post()["id"]
    assert api.get(f"/emails/{pk}").json() == api.get(f"/emails/{pk}/").json()


def test_each_attempt_is_explained_with_the_other_sides_reply(test_api, post, deliver):
    pk = post(test_api, to=["delivered@simulator.test", "bounced@simulator.test"], cc="deferred@simulator.test")["id"]
    deliver()
    body = test_api.get(f"/emails/{pk}").json()
    assert body["status"] == "delivering"
    assert {row["address"]: row["status"] for row in body["recipients"]} == {
        "delivered@simulator.test": "delivered",
        "bounced@simulator.test": "bounced",
        "deferred@simulator.test": "delivering",
    }
    attempts = {attempt["recipient"]: attempt for attempt in body["attempts"]}
    assert all(attempt.keys() == ATTEMPT for attempt in attempts.values())
    bounced, deferred = attempts["bounced@simulator.test"], attempts["deferred@simulator.test"]
    assert (bounced["number"], bounced["provider"], bounced["outcome"]) == (1, "simulator", "bounced")
    assert (bounced["code"], bounced["enhanced_code"]) == (550, "5.1.1")
    assert "no such mailbox" in bounced["reply"]
    assert (bounced["reason"], bounced["about"]) == ("no_such_user", "recipient")
    assert is_utc(bounced["started_at"])
    assert is_utc(bounced["finished_at"])
    assert (bounced["next_attempt_at"], bounced["tls"]) == (None, None)
    assert is_utc(deferred["next_attempt_at"])
    assert body["recipients"][2]["next_attempt_at"] == deferred["next_attempt_at"]
    for name in ("queued_at", "sent_at"):
        assert is_utc(body[name])


def test_delivered_mail_has_its_times(test_api, post, deliver):
    pk = post(test_api)["id"]
    deliver()
    body = test_api.get(f"/emails/{pk}").json()
    assert body["status"] == "delivered"
    assert is_utc(body["delivered_at"])
    assert body["sent_at"] == body["delivered_at"]
    assert [body[name] for name in ("failed_at", "bounced_at", "cancelled_at")] == [None] * 3
    assert [event["type"] for event in body["events"]] == ["email.queued", "email.delivered"]


def test_all_recipients_suppressed_is_failed_with_its_reason(api, post):
    assert api.post("/suppressions", {"address": "one@rcpt.test"}).status_code == 201
    body = post()
    assert (body["status"], body["status_reason"]) == ("failed", "suppressed")
    assert is_utc(body["failed_at"])
    shown = api.get(f"/emails/{body['id']}").json()
    assert [(row["status"], row["status_reason"]) for row in shown["recipients"]] == [("suppressed", "suppressed")]
    assert [(event["type"], event["recipient"]) for event in shown["events"]] == [("email.suppressed", "one@rcpt.test")]


def test_some_recipients_suppressed_leaves_the_others(api, post):
    api.post("/suppressions", {"address": "two@rcpt.test"})
    body = post(to=["one@rcpt.test", "Two <TWO@rcpt.test>"])
    assert body["status"] == "queued"
    assert [row["status"] for row in body["recipients"]] == ["queued", "suppressed"]


def test_the_detail_costs_the_same_however_many_recipients_there_are(
    test_api, post, deliver, django_assert_max_num_queries
):
    pk = post(test_api, to=[f"u{number}@x.test" for number in range(20)])["id"]
    deliver()
    # Two of them read the limits, which a process keeps otherwise.
    with django_assert_max_num_queries(9):
        assert len(test_api.get(f"/emails/{pk}").json()["attempts"]) == 20


def test_another_projects_email_is_404_with_the_body_of_one_that_does_not_exist(api, other_api, post):
    answers = [other_api.get(f"/emails/{pk}", X_Request_Id="same") for pk in (post()["id"], uuid.uuid4())]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert json.loads(answers[0].content)["code"] == "not_found"


def test_an_unknown_query_parameter_is_refused(api, post):
    assert api.get(f"/emails/{post()['id']}?expand=events").json()["code"] == "unknown_field"


def test_a_read_needs_its_scope(make_api, post):
    answer = make_api(scopes=["emails:send", "events:read"]).get(f"/emails/{post()['id']}")
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert "emails:read" in answer.json()["detail"]
