"""Bounces, complaints and streams at Postmark's door."""

import pytest
from django.db import transaction

from messages.models import Recipient
from tests.gateways.postmark.conftest import EMAIL
from tracking.events import Fact, record_facts
from tracking.models import Event, EventType, SuppressionReason
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db


@pytest.fixture
def bounce(postmark, sent):
    """Records a bounce or complaint of a new email, and suppresses its address."""

    def make(address, type_=EventType.BOUNCED, **data):
        email = sent(postmark.post("/email", {**EMAIL, "To": address, "Tag": "receipt"}))
        row = Recipient.objects.get(message=email)
        fact = Fact(
            project_id=email.project_id,
            message_id=email.pk,
            recipient_id=row.pk,
            type=type_,
            address=address,
            data=data,
        )
        reason = SuppressionReason.BOUNCE if type_ == EventType.BOUNCED else SuppressionReason.COMPLAINT
        with transaction.atomic():
            record_facts([fact])
            suppress(email.project_id, Entry(address=address, reason=reason))
        return Event.objects.get(pk=fact.id)

    return make


def test_bounces_are_listed_with_their_types(postmark, bounce):
    bounce("gone@rcpt.test", reason="no_such_user", reply="550 no such user")
    bounce("cross@rcpt.test", EventType.COMPLAINED)
    listed = postmark.get("/bounces?count=10&offset=0").json()
    assert listed["TotalCount"] == 2
    complaint, hard = listed["Bounces"]
    assert (complaint["Type"], complaint["TypeCode"], complaint["CanActivate"]) == ("SpamComplaint", 100001, False)
    assert (hard["Type"], hard["TypeCode"], hard["Inactive"]) == ("HardBounce", 1, True)
    assert (hard["Email"], hard["Details"], hard["Tag"]) == ("gone@rcpt.test", "550 no such user", "receipt")
    assert postmark.get("/bounces?count=1&offset=1").json()["Bounces"] == [hard]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=HardBounce", {"gone@rcpt.test"}),
        ("type=SoftBounce", {"full@rcpt.test"}),
        ("type=Unknown", {"odd@rcpt.test"}),
        ("emailFilter=FULL", {"full@rcpt.test"}),
        ("inactive=false", set()),
        ("tag=receipt&messagestream=default", {"gone@rcpt.test", "full@rcpt.test", "odd@rcpt.test"}),
        ("tag=other", set()),
        ("messageID=nothing", set()),
        ("todate=2001-01-01T00:00:00Z", set()),
    ],
)
def test_the_list_is_narrowed(postmark, bounce, query, found):
    bounce("gone@rcpt.test", reason="no_such_user")
    bounce("full@rcpt.test", reason="mailbox_full")
    bounce("odd@rcpt.test")
    listed = postmark.get(f"/bounces?count=10&offset=0&{query}").json()["Bounces"]
    assert {row["Email"] for row in listed} == found


def test_a_wrong_query_is_named(postmark):
    response = postmark.get("/bounces?count=501&offset=0&typ=x")
    assert response.status_code == 422
    assert "count: " in response.json()["Message"]
    assert "typ: " in response.json()["Message"]


def test_a_bounce_is_activated(postmark, bounce, project):
    event = bounce("gone@rcpt.test", reason="no_such_user")
    assert postmark.get(f"/bounces/{event.serial}").json()["Inactive"] is True
    assert postmark.get(f"/bounces/{event.serial}/dump").json() == {"Body": ""}
    assert postmark.call("PUT", f"/bounces/{event.serial}/activate").json()["Bounce"]["Inactive"] is False
    assert not project.suppressions.exists()


def test_a_complaint_stays_suppressed(postmark, bounce, project):
    event = bounce("cross@rcpt.test", EventType.COMPLAINED)
    assert postmark.call("PUT", f"/bounces/{event.serial}/activate").json()["Bounce"]["Inactive"] is True
    assert project.suppressions.exists()


def test_another_projects_bounce_is_not_found(postmark, bounce, other_api):
    event = bounce("gone@rcpt.test")
    other = type(postmark)(other_api)
    assert other.get(f"/bounces/{event.serial}").status_code == 404
    assert other.call("PUT", f"/bounces/{event.serial}/activate").status_code == 404
    assert other.get("/bounces?count=10&offset=0").json() == {"TotalCount": 0, "Bounces": []}


def test_statistics_count_by_type(postmark, bounce):
    bounce("a@rcpt.test", reason="no_such_user")
    bounce("b@rcpt.test", reason="no_such_user")
    shown = postmark.get("/deliverystats").json()
    assert shown["InactiveMails"] == 2
    assert shown["Bounces"] == [
        {"Name": "All", "Count": 2},
        {"Name": "Hard bounce", "Type": "HardBounce", "Count": 2},
    ]


def test_streams_are_made_listed_and_archived(postmark):
    new = {"ID": "news", "Name": "News", "MessageStreamType": "Broadcasts"}
    assert postmark.post("/message-streams", new).json()["MessageStreamType"] == "Broadcasts"
    listed = postmark.get("/message-streams?MessageStreamType=All").json()
    assert [row["ID"] for row in listed["MessageStreams"]] == ["default", "news"]
    assert postmark.get("/message-streams/outbound").json()["ID"] == "default"
    assert postmark.post("/message-streams/news/archive").status_code == 200
    assert postmark.get("/message-streams/news").status_code == 404
    assert postmark.post("/message-streams/default/archive").status_code == 422
