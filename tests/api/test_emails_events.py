"""GET /api/v1/emails/{id}/events."""

import uuid

import pytest

from tests.common.readers import is_utc

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(test_api, post, deliver):
    """An email with four events: queued, and one for each of three recipients."""
    pk = post(test_api, to=["a@x.test", "bounced@simulator.test", "sent@simulator.test"])["id"]
    deliver()
    return pk


def test_the_timeline_is_in_order_and_each_event_whole(api, told):
    for path in (f"/emails/{told}/events", f"/emails/{told}/events/"):
        page = api.get(path).json()
        assert (page["has_more"], page["next"]) == (False, None)
        assert page["data"][0]["type"] == "email.queued"
        assert {(row["type"], row["recipient"]) for row in page["data"]} == {
            ("email.queued", None),
            ("email.delivered", "a@x.test"),
            ("email.bounced", "bounced@simulator.test"),
            ("email.sent", "sent@simulator.test"),
        }
    for row in page["data"]:
        assert row.keys() >= {"id", "type", "email_id", "recipient", "occurred_at", "data"}
        assert row["email_id"] == told
        assert is_utc(row["occurred_at"])
        assert isinstance(row["data"], dict)


def test_pages_lead_through_all_events(api, told):
    every = [row["id"] for row in api.get(f"/emails/{told}/events").json()["data"]]
    first = api.get(f"/emails/{told}/events?limit=3").json()
    last = api.get(f"/emails/{told}/events?limit=3&after={first['next']}").json()
    assert [row["id"] for row in first["data"] + last["data"]] == every
    assert (first["has_more"], last["has_more"], last["next"]) == (True, False, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("after=x", "after"),
        (f"after={uuid.UUID(int=1)}", "after"),
        ("offset=1", "offset"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(api, told, query, field):
    answer = api.get(f"/emails/{told}/events?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_another_projects_events_are_404(other_api, told):
    assert other_api.get(f"/emails/{told}/events").status_code == 404
    assert other_api.get(f"/emails/{uuid.uuid4()}/events").status_code == 404
