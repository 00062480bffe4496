"""POST /api/v1/emails/batch."""

from datetime import UTC, datetime, timedelta

import pytest

from messages.models import Message, Recipient
from tests.api.conftest import EMAIL
from tracking.models import Event

pytestmark = pytest.mark.django_db


def emails(count):
    return [{**EMAIL, "to": f"u{number}@x.test", "subject": f"Hi {number}"} for number in range(count)]


def bad(**values):
    return {**EMAIL, **values}


def test_a_batch_is_accepted_whole_and_in_order(api):
    for path in ("/emails/batch", "/emails/batch/", "/emails/batch?mode=strict"):
        answer = api.post(path, emails(3))
        assert (answer.status_code, answer.json()["errors"]) == (202, [])
        ids = [row["id"] for row in answer.json()["data"]]
        assert [row["index"] for row in answer.json()["data"]] == [0, 1, 2]
        assert [api.get(f"/emails/{pk}").json()["to"] for pk in ids] == [["u0@x.test"], ["u1@x.test"], ["u2@x.test"]]
        assert [row["id"] for row in api.get("/emails?limit=3").json()["data"]] == ids[::-1]


def test_what_is_in_it_may_differ_in_everything(api):
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    batch = [EMAIL, bad(scheduled_at=later), bad(priority="bulk", html="<b>x</b>"), bad(tags=["a"])]
    answer = api.post("/emails/batch", batch).json()
    assert [row["status"] for row in answer["data"]] == ["queued", "scheduled", "queued", "queued"]


def test_one_bad_email_refuses_a_strict_batch_and_every_error_is_named(api):
    batch = [*emails(2), bad(to="nobody"), bad(subject=None, html=None, text=None), 5]
    answer = api.post("/emails/batch", batch)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [
        ("[2].to", "invalid_address"),
        ("[3].subject", "required"),
        ("[3].html", "required"),
        ("[4]", "invalid"),
    ]
    assert not Message.objects.exists()
    assert not Recipient.objects.exists()
    assert not Event.objects.exists()


def test_a_permissive_batch_accepts_the_good_ones(api):
    batch = [bad(to="nobody"), *emails(2), bad(subject="a\nb", x=1)]
    answer = api.post("/emails/batch?mode=permissive", batch)
    body = answer.json()
    assert answer.status_code == 202
    assert [api.get(f"/emails/{row['id']}").json()["to"] for row in body["data"]] == [["u0@x.test"], ["u1@x.test"]]
    assert [row["index"] for row in body["data"]] == [1, 2]
    assert [row["index"] for row in body["errors"]] == [0, 3]
    assert [(error["field"], error["code"]) for error in body["errors"][0]["errors"]] == [("to", "invalid_address")]
    assert {error["field"] for error in body["errors"][1]["errors"]} == {"subject", "x"}
    assert all(error["message"] for row in body["errors"] for error in row["errors"])


def test_a_permissive_batch_without_a_good_one_is_refused(api):
    answer = api.post("/emails/batch?mode=permissive", [bad(to="nobody"), bad(text="")])
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["[0].to", "[1].html"]
    assert not Message.objects.exists()


def test_what_a_key_may_not_do_counts_as_bad_too(make_api):
    limited = make_api(allowed_recipients=["*@x.test"])
    batch = [*emails(1), bad(to="a@y.test")]
    answer = limited.post("/emails/batch?mode=permissive", batch)
    assert answer.status_code == 202
    assert [(row["index"], row["errors"][0]["code"]) for row in answer.json()["errors"]] == [
        (1, "recipient_not_allowed")
    ]
    answer = limited.post("/emails/batch", batch)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "[1].to[0]")


def test_five_hundred_are_taken_and_one_more_is_not(api, django_assert_max_num_queries):
    with django_assert_max_num_queries(30):
        answer = api.post("/emails/batch", emails(500))
    assert (answer.status_code, len(answer.json()["data"])) == (202, 500)
    assert Message.objects.count() == Recipient.objects.count() == Event.objects.count() == 500
    answer = api.post("/emails/batch?mode=permissive", emails(501))
    assert (answer.status_code, answer.json()["code"]) == (422, "batch_size")
    assert Message.objects.count() == 500


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("", [], 422, "batch_size"),
        ("", {}, 422, "wrong_body_type"),
        ("", EMAIL, 422, "wrong_body_type"),
        ("", "x", 422, "wrong_body_type"),
        ("", None, 400, "body_required"),
        ("?mode=lenient", [EMAIL], 422, "invalid_choice"),
        ("?mode=", [EMAIL], 422, "invalid_choice"),
        ("?mode=strict&mode=strict", [EMAIL], 422, "repeated_parameter"),
        ("?permissive=true", [EMAIL], 422, "unknown_field"),
        ("", [[]], 422, "invalid"),
        ("", [None], 422, "invalid"),
    ],
)
def test_a_batch_that_cannot_be_meant_is_refused(api, path, body, status, code):
    answer = api.post(f"/emails/batch{path}", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Message.objects.exists()


def test_a_batch_needs_the_scope_to_send(make_api):
    answer = make_api(scopes=["emails:read"]).post("/emails/batch", [EMAIL])
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
