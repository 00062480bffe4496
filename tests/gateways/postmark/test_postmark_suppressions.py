"""Suppressions at Postmark's door."""

from typing import Any

import pytest

from accounts import scopes
from accounts.models import StreamType
from accounts.streams import create_stream
from tests.gateways.postmark.conftest import EMAIL, Postmark
from tracking.models import Suppression, SuppressionReason
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db

PATH = "/message-streams/outbound/suppressions"


def name(*addresses: object) -> dict[str, Any]:
    return {"Suppressions": [{"EmailAddress": address} for address in addresses]}


def dump(postmark: Postmark, query: str = "", stream: str = "outbound") -> set[tuple[str, str, str]]:
    answer = postmark.get(f"/message-streams/{stream}/suppressions/dump{query}")
    assert answer.status_code == 200, answer.content
    rows = answer.json()["Suppressions"]
    return {(row["EmailAddress"], row["SuppressionReason"], row["Origin"]) for row in rows}


@pytest.fixture
def entries(project):
    create_stream(project, name="news", type_=StreamType.BROADCAST)
    for address, reason, stream in (
        ("bounced@rcpt.test", SuppressionReason.BOUNCE, None),
        ("angry@rcpt.test", SuppressionReason.COMPLAINT, None),
        ("left@rcpt.test", SuppressionReason.UNSUBSCRIBE, "news"),
    ):
        suppress(project.pk, Entry(address=address, reason=reason, stream=stream))


def test_addresses_are_suppressed_in_a_stream_each_by_itself(postmark, project):
    create_stream(project, name="news", type_=StreamType.BROADCAST)
    answer = postmark.post(PATH, name("Gone@rcpt.test", "nobody", None))
    assert [(row["EmailAddress"], row["Status"]) for row in answer.json()["Suppressions"]] == [
        ("Gone@rcpt.test", "Suppressed"),
        ("nobody", "Failed"),
        (None, "Failed"),
    ]
    assert dump(postmark) == {("gone@rcpt.test", "ManualSuppression", "Customer")}
    assert dump(postmark, stream="news") == set()
    sent = postmark.post("/email", {**EMAIL, "To": "gone@rcpt.test"}).json()
    assert "gone@rcpt.test" in sent["Message"]


def test_a_dump_has_what_stops_the_streams_mail_and_is_narrowed(postmark, entries):
    assert dump(postmark) == {
        ("bounced@rcpt.test", "HardBounce", "Recipient"),
        ("angry@rcpt.test", "SpamComplaint", "Recipient"),
    }
    assert len(dump(postmark, stream="news")) == 3
    for query, found in (
        ("?SuppressionReason=hardbounce", {"bounced@rcpt.test"}),
        ("?origin=customer", set()),
        ("?EmailAddress=ANGRY@rcpt.test", {"angry@rcpt.test"}),
        ("?fromdate=2020-01-01&todate=2020-01-02", set()),
        ("?toDate=2999-01-01T10:00:00&suppressionReason=SpamComplaint", {"angry@rcpt.test"}),
    ):
        assert {row[0] for row in dump(postmark, query)} == found, query


def test_bounces_and_manual_entries_are_lifted_and_nothing_else(postmark, entries):
    postmark.post(PATH, name("gone@rcpt.test"))
    answer = postmark.post(
        f"{PATH}/delete", name("gone@rcpt.test", "BOUNCED@rcpt.test", "angry@rcpt.test", "none@rcpt.test", "nobody")
    )
    statuses = [row["Status"] for row in answer.json()["Suppressions"]]
    assert statuses == ["Deleted", "Deleted", "Failed", "Deleted", "Failed"]
    kept = postmark.post("/message-streams/news/suppressions/delete", name("left@rcpt.test")).json()
    assert kept["Suppressions"][0]["Status"] == "Failed"
    assert {row.address for row in Suppression.objects.all()} == {"angry@rcpt.test", "left@rcpt.test"}


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"Suppressions": []}, 422), ({"Suppressions": ["a@b.test"]}, 422), (name(*["a@b.test"] * 51), 422)],
)
def test_a_wrong_request_is_told_in_postmarks_form(postmark, body, status):
    answer = postmark.post(PATH, body)
    assert (answer.status_code, answer.json()["ErrorCode"]) == (status, 300)
    assert "Suppressions" in answer.json()["Message"]


def test_anothers_stream_and_entries_are_not_found(postmark, entries, other_api):
    other = Postmark(other_api)
    assert other.get("/message-streams/news/suppressions/dump").status_code == 404
    assert dump(other) == set()
    other.post(f"{PATH}/delete", name("bounced@rcpt.test"))
    assert Suppression.objects.count() == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{PATH}/dump"),
        ("POST", PATH),
        ("POST", f"{PATH}/delete"),
        ("GET", "/templates"),
        ("GET", "/templates/a"),
        ("GET", "/messages/outbound?count=1&offset=0"),
    ],
)
def test_a_key_that_only_sends_is_refused(make_api, method, path):
    answer = Postmark(make_api(scopes=[scopes.EMAILS_SEND])).call(method, path, {} if method == "POST" else None)
    assert (answer.status_code, answer.json()["ErrorCode"]) == (401, 10)
