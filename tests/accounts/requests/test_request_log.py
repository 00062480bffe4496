"""The log of requests: what is kept of each, who reads it, and for how long."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from accounts.lifetimes.retention import KeptDays, set_kept_days
from accounts.models import RequestEntry
from accounts.requests import recording
from accounts.requests.recording import write_requests
from accounts.requests.retention import purge_requests
from accounts.scopes import EMAILS_READ, REQUESTS_READ
from common.ids import timed_ids
from ledger.telemetry.instruments import take_amounts
from messages.lifetimes.purging import purge_project
from tests.api.conftest import EMAIL, _fresh_process, test_api  # noqa: F401

pytestmark = pytest.mark.django_db


def list_requests(api: Any, query: str = "") -> list[dict[str, Any]]:
    write_requests()
    answer = api.get(f"/requests{query}")
    assert answer.status_code == 200, answer.content
    recording.forget_requests()
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def test_a_request_is_kept_by_route_and_outcome_with_the_emails_that_it_made(api: Any) -> None:
    made = api.post("/emails", EMAIL, X_Request_Id="bob@x.test")
    batch = api.post("/emails/batch", [EMAIL, EMAIL])
    api.get(f"/emails/{made.json()['id']}?limit=secret")
    refused = api.post("/emails", {**EMAIL, "to": "nobody"})
    entries = list_requests(api)[::-1]
    assert [(entry["method"], entry["route"], entry["status"], entry["code"]) for entry in entries] == [
        ("POST", "/api/v1/emails", 202, ""),
        ("POST", "/api/v1/emails/batch", 202, ""),
        ("GET", "/api/v1/emails/<id:pk>", 422, "unknown_field"),
        ("POST", "/api/v1/emails", 422, refused.json()["code"]),
    ]
    assert [entry["email_ids"] for entry in entries] == [
        [made.json()["id"]],
        [email["id"] for email in batch.json()["data"]],
        [made.json()["id"]],
        [],
    ]
    assert entries[0]["request_id"].startswith("hashed-")
    assert list_requests(api, "?request_id=bob@x.test") == entries[:1]
    assert entries[3]["request_id"] == refused["X-Request-Id"]
    assert {entry["key"] for entry in entries} == {api.key.prefix}
    assert entries[0]["origin"] == "127.0.0.1"
    assert entries[0]["duration_ms"] > 0
    assert "nobody" not in str(entries)
    assert "secret" not in str(entries)


def test_another_project_and_test_keys_see_their_own(api: Any, other_api: Any, test_api: Any) -> None:  # noqa: F811
    api.get("/me")
    test_api.get("/me")
    assert list_requests(other_api) == []
    assert [entry["test"] for entry in list_requests(api)] == [False]
    assert [entry["test"] for entry in list_requests(test_api)] == [True]
    assert [entry["test"] for entry in list_requests(api, "?test=true")] == [True]


def test_it_needs_its_scope(make_api: Any) -> None:
    assert make_api(scopes=[REQUESTS_READ]).get("/requests").status_code == 200
    answer = make_api(scopes=[EMAILS_READ]).get("/requests")
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?status=422", 1),
        ("?status=200", 1),
        ("?method=POST", 1),
        ("?route=/api/v1/me", 1),
        ("?code=invalid_fields", 1),
        ("?code=none", 0),
        ("?since=2020-01-01T00:00:00Z", 2),
        ("?until=2020-01-01T00:00:00Z", 0),
        ("?since=0001-01-01T00:00:00Z&until=9999-12-31T00:00:00Z", 2),
        ("?request_id=given", 1),
        ("?request_id=ffffffff-ffff-7fff-bfff-ffffffffffff", 0),
    ],
)
def test_entries_are_found_by_what_they_tell(api: Any, query: str, count: int) -> None:
    api.get("/me", X_Request_Id="given")
    api.post("/emails", {"too": "a@x.test"})
    assert len(list_requests(api, query)) == count


def test_an_entry_is_found_by_the_id_that_the_service_gave(api: Any) -> None:
    given = api.get("/me")["X-Request-Id"]
    assert [entry["request_id"] for entry in list_requests(api, f"?request_id={given}")] == [given]


@pytest.mark.parametrize("query", ["?status=99", "?status=x", "?since=yesterday", "?limit=0", "?kind=a"])
def test_a_wrong_filter_is_refused(api: Any, query: str) -> None:
    assert api.get(f"/requests{query}").status_code == 422


def test_requests_without_a_key_and_of_the_installation_have_no_entry(client: Any, admin_api: Any) -> None:
    client.get("/api/v1/me")
    admin_api.get("/admin/projects")
    assert not recording._waiting


def test_zero_seconds_keep_nothing(api: Any, settings: Any) -> None:
    settings.REQUEST_KEEP_TIME = timedelta(0)
    api.get("/me")
    assert not recording._waiting


def test_entries_wait_for_a_database_that_is_away_up_to_a_number(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> int:
        raise OperationalError

    monkeypatch.setattr(recording, "MOST_WAITING", 2)
    monkeypatch.setattr(connection, "close", lambda: None)
    take_amounts()
    for _ in range(3):
        api.get("/me")
    with monkeypatch.context() as away:
        away.setattr(recording, "execute", fail)
        assert write_requests() is True
    assert take_amounts()["emailsvc_requests_not_logged_total", ""] == 1
    assert write_requests() is False
    assert RequestEntry.objects.count() == 2


def add_entry(owner: Any, at: datetime) -> None:
    """An entry of a time; ids of one millisecond differ."""
    RequestEntry.objects.create(
        id=timed_ids.take(at, 1)[0],
        project=owner,
        is_test=False,
        at=at,
        method="GET",
        route="/",
        status=200,
        duration_ms=1,
        key_prefix="es_live_x",
        request_id=str(uuid4()),
    )


def test_old_entries_are_removed(project: Any) -> None:
    for days in (1, 29, 31, 400):
        add_entry(project, timezone.now() - timedelta(days=days))
    assert purge_requests() == 2
    assert RequestEntry.objects.filter(at__lt=datetime.now(UTC) - timedelta(days=30)).count() == 0
    assert RequestEntry.objects.count() == 2


def test_a_project_may_keep_its_entries_for_fewer_days(project: Any, other_project: Any) -> None:
    at = timezone.now() - timedelta(days=3)
    set_kept_days("test", project, KeptDays(requests=2))
    for owner in (project, other_project):
        add_entry(owner, at)
        add_entry(owner, at + timedelta(days=2))
    purged = [batch for owner in (project, other_project) for batch in purge_project(owner.pk)]
    assert sum(batch.count for batch in purged if batch.kind == "requests") == 1
    assert RequestEntry.objects.filter(project=project).get().at > at
    assert RequestEntry.objects.filter(project=other_project).count() == 2
