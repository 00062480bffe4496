"""`/api/v1/events`: pages of the event feed."""

from uuid import UUID, uuid4

import pytest
from django.db import transaction

from accounts.models import Project
from accounts.scopes import EMAILS_READ, EVENTS_READ
from tests.feed_settling import settle
from tracking.events import Fact, record_facts
from tracking.feed.cursor import Cursor
from tracking.models import EventType

pytestmark = pytest.mark.django_db(transaction=True)
EMAIL = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}


def write(project: Project, *types: EventType, address: str = "") -> UUID:
    message = uuid4()
    with transaction.atomic():
        record_facts([Fact(project_id=project.pk, message_id=message, address=address, type=type_) for type_ in types])
    settle()
    return message


def test_an_event_has_the_shape_of_the_timeline(api, project):
    email_id = api.post("/emails", EMAIL).json()["id"]
    settle()
    (event,) = api.get("/events").json()["data"]
    assert event.pop("test") is False
    assert [event] == api.get(f"/emails/{email_id}/events").json()["data"]
    assert (event["type"], event["email_id"], event["recipient"]) == ("email.queued", email_id, None)
    assert event["occurred_at"].endswith("Z")
    assert set(event) == {"id", "type", "email_id", "recipient", "occurred_at", "data"}


def test_mail_of_a_test_key_is_marked(api, make_api):
    make_api(is_test=True).post("/emails", EMAIL)
    settle()
    assert [event["test"] for event in api.get("/events?test=true").json()["data"]] == [True]


def test_pages_follow_each_other_and_the_last_next_waits_for_what_comes(api, project):
    write(project, EventType.QUEUED, EventType.SENT, EventType.DELIVERED, address="one@rcpt.test")
    first = api.get("/events?limit=2").json()
    assert [event["type"] for event in first["data"]] == ["email.queued", "email.sent"]
    assert first["has_more"] is True
    second = api.get(f"/events/?limit=2&after={first['next']}").json()
    assert [event["type"] for event in second["data"]] == ["email.delivered"]
    assert (second["data"][0]["recipient"], second["has_more"]) == ("one@rcpt.test", False)
    empty = api.get(f"/events?after={second['next']}").json()
    assert (empty["data"], empty["has_more"]) == ([], False)
    write(project, EventType.BOUNCED)
    assert [event["type"] for event in api.get(f"/events?after={empty['next']}").json()["data"]] == ["email.bounced"]


def test_types_are_chosen(api, project):
    write(project, EventType.QUEUED, EventType.SENT, EventType.BOUNCED, EventType.FAILED)
    page = api.get("/events?types=email.failed,email.bounced").json()
    assert [event["type"] for event in page["data"]] == ["email.bounced", "email.failed"]
    assert api.get(f"/events?after={page['next']}").json()["data"] == []


def test_now_is_the_end(api, project):
    write(project, EventType.QUEUED)
    page = api.get("/events?after=now").json()
    assert page["data"] == []
    write(project, EventType.SENT)
    assert [event["type"] for event in api.get(f"/events?after={page['next']}").json()["data"]] == ["email.sent"]


def test_another_projects_events_are_not_there(api, other_api, project):
    write(project, EventType.QUEUED)
    assert other_api.get("/events").json()["data"] == []


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "limit", "min_value"),
        ("limit=101", "limit", "max_value"),
        ("limit=x", "limit", "invalid"),
        ("types=email.lost", "types", "invalid_choice"),
        ("tpyes=email.sent", "tpyes", "unknown_field"),
        ("limit=1&limit=2", "limit", "repeated_parameter"),
    ],
)
def test_a_wrong_query_is_refused(api, query, field, code):
    answer = api.get(f"/events?{query}")
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "…", "0" * 36, Cursor(1, 2).write() + "A"])
def test_an_invalid_cursor_is_rejected(api, cursor):
    answer = api.get(f"/events?after={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("path", ["/events", "/events/stream"])
def test_events_need_their_scope(make_api, anonymous, path):
    answer = make_api(scopes=[EMAILS_READ]).get(path)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert EVENTS_READ in answer.json()["detail"]
    assert anonymous.get(path).status_code == 401
