"""`GET /stats`: counts by time and group."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from messages.models import Message
from tests.conftest import ApiClient
from tests.feed_settling import settle
from tracking.events import Fact, record_facts
from tracking.models import EventType
from tracking.stats.aggregation import aggregate_all

# What is counted must be committed.
counted = pytest.mark.django_db(transaction=True)
Post = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _trusted(settings: Any) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["*"]


@pytest.fixture
def stats(api: ApiClient) -> Callable[..., dict[str, Any]]:
    """Counts what is new, and asks: `stats("by=hour&group=tag")`."""

    def ask(query: str = "", by: ApiClient = api) -> dict[str, Any]:
        settle()
        aggregate_all(timedelta(minutes=1))
        answer = by.get(f"/stats?{query}" if query else "/stats")
        assert answer.status_code == 200, answer.content
        body: dict[str, Any] = answer.json()
        return body

    return ask


@pytest.fixture
def mail(post: Post, test_api: ApiClient, deliver: Callable[[], None]) -> list[str]:
    """One delivered, one bounced and one deferred, by the simulator, and then made live mail."""
    ids = [
        post(test_api, to=f"{name}@simulator.test", tags=tags, from_=sender)["id"]
        for name, tags, sender in (
            ("delivered", ["welcome", "de"], "shop@mine.test"),
            ("bounced", ["welcome"], "shop@other.test"),
            ("alwaysdeferred", [], "shop@mine.test"),
        )
    ]
    deliver()
    Message.objects.update(is_test=False)
    return ids


@counted
def test_outcomes_are_counted(mail: list[str], stats: Any) -> None:
    told = stats()
    (total,) = told["totals"]
    expected = {
        "emails": 3,
        "accepted": 3,
        "sent": 1,
        "delivered": 1,
        "bounced": 1,
        "bounced_late": 0,
        "failed": 0,
        "suppressed": 0,
        "cancelled": 0,
        "complained": 0,
        "unsubscribed": 0,
    }
    assert {name: total[name] for name in expected} == expected
    assert total["rates"] == {
        "delivered": 0.5,
        "bounced": 0.5,
        "complained": 0.0,
        "unsubscribed": 0.0,
        "opened": 0.0,
        "clicked": 0.0,
    }
    assert total["handoff_seconds"]["p50"] > 0
    assert total["delivery_seconds"] == {"p50": None, "p95": None}
    assert len(told["data"]) == 7
    assert sum(row["accepted"] for row in told["data"]) == told["data"][-1]["accepted"] == 3
    assert told["data"][0]["rates"]["delivered"] is None
    assert (told["by"], told["grouped_by"]) == ("day", None)
    assert told["counted_at"] is not None


@counted
def test_figures_come_by_the_hour(mail: list[str], stats: Any) -> None:
    told = stats("by=hour")
    assert len(told["data"]) == 24
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    assert told["data"][-1]["at"] >= (hour - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert sum(row["emails"] for row in told["data"]) == 3


@pytest.mark.parametrize(
    ("group", "accepted"),
    [
        ("tag", {"welcome": 2, "de": 1}),
        ("domain", {"mine.test": 2, "other.test": 1}),
        ("stream", {"default": 3}),
        ("template", {}),
    ],
)
@counted
def test_figures_come_by_group(mail: list[str], stats: Any, group: str, accepted: dict[str, int]) -> None:
    told = stats(f"group={group}")
    assert {row["group"]: row["accepted"] for row in told["totals"]} == accepted
    assert {row["group"]: row["accepted"] for row in told["data"]} == accepted
    assert not any(row["is_other"] for row in told["totals"])
    assert told["grouped_by"] == group


@counted
def test_by_provider_only_what_it_had_a_part_in_is_told(mail: list[str], stats: Any) -> None:
    (row,) = stats("group=provider")["totals"]
    assert (row["group"], row["sent"], row["bounced"], row["accepted"]) == ("simulator", 1, 1, None)


@counted
def test_by_mailbox_provider_only_what_it_had_a_part_in_is_told(mail: list[str], stats: Any) -> None:
    (row,) = stats("group=mailbox_provider")["totals"]
    assert (row["group"], row["sent"], row["bounced"], row["accepted"]) == ("simulator.test", 1, 1, None)


@counted
def test_figures_come_by_template(api: ApiClient, post: Post, stats: Any) -> None:
    body = {"alias": "welcome", "name": "W", "subject": "Hi", "text": "Hi {{ name }}"}
    template = api.post("/templates", body).json()
    api.post(f"/templates/{template['id']}/publish")
    sent = {"from_": "a@mine.test", "to": "x@rcpt.test", "template_id": "welcome", "template_vars": {"name": "Jo"}}
    assert api.post("/emails", sent).status_code == 202
    (row,) = stats("group=template")["totals"]
    assert (row["group"], row["emails"]) == (template["id"], 1)


@counted
def test_only_the_largest_groups_are_listed(mail: list[str], stats: Any) -> None:
    told = stats("group=tag&limit=1")
    assert [row["group"] for row in told["totals"]] == ["welcome"]


@counted
def test_a_late_fact_counts_where_its_email_was_accepted(mail: list[str], stats: Any) -> None:
    week = timezone.now() - timedelta(days=8)
    Message.objects.filter(pk=mail[0]).update(created_at=week)
    message = Message.objects.get(pk=mail[0])
    for actor in ("human", "proxy", "scanner"):
        fact = Fact(
            project_id=message.project_id,
            message_id=message.pk,
            recipient_id=message.recipients.get().pk,
            type=EventType.CLICKED_SETTLED,
            data={"actor": actor},
        )
        with transaction.atomic():
            record_facts([fact])
    assert stats()["totals"][0]["clicks"] == {"all": 0, "human": 0, "shown": 0, "recipients": 0}
    begin, end = week.date(), week.date() + timedelta(days=1)
    told = stats(f"from={begin}T00:00:00Z&to={end}T00:00:00Z")
    (row,) = told["data"]
    assert row["at"] == f"{begin}T00:00:00Z"
    assert row["clicks"] == {"all": 3, "human": 1, "shown": 2, "recipients": 1}
    assert row["rates"]["clicked"] == 1.0


@counted
def test_a_range_is_told_in_whole_steps(stats: Any) -> None:
    told = stats("from=2030-01-31T22:15:00%2B01:00&to=2030-02-01T00:00:01Z&by=hour")
    assert (told["begins_at"], told["ends_at"]) == ("2030-01-31T21:00:00Z", "2030-02-01T01:00:00Z")
    assert [row["at"][11:13] for row in told["data"]] == ["21", "22", "23", "00"]


@counted
def test_mail_of_test_keys_is_not_in_it(test_api: ApiClient, post: Post, deliver: Any, stats: Any) -> None:
    post(test_api, to="delivered@simulator.test")
    deliver()
    assert stats()["totals"][0]["emails"] == 0
    assert stats("", test_api)["totals"][0]["emails"] == 0


@counted
def test_another_projects_mail_is_not_in_it(mail: list[str], other_api: ApiClient, stats: Any) -> None:
    assert stats("", other_api)["totals"][0]["emails"] == 0
    assert stats("group=tag", other_api)["totals"] == []


@pytest.mark.django_db
def test_it_needs_its_scope(make_api: Any) -> None:
    refused = make_api(scopes=["emails:read"]).get("/stats")
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert make_api(scopes=["stats:read"]).get("/stats").status_code == 200


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("by=week", "by", "invalid_choice"),
        ("group=colour", "group", "invalid_choice"),
        ("from=yesterday", "from", "invalid_time"),
        ("to=2030-01-31T12:00:00", "to", "offset_required"),
        ("from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00Z", "from", "not_before_to"),
        ("from=2030-01-02T00:00:00Z&to=2030-01-02T00:00:00Z", "from", "not_before_to"),
        ("from=2028-01-02T00:00:00Z&to=2030-01-02T00:00:00Z", "from", "range_too_long"),
        ("from=2030-01-01T00:00:00Z&to=2030-02-02T00:00:00Z&by=hour", "from", "range_too_long"),
        ("from=0001-01-01T00:00:00Z&to=8999-12-31T23:59:59Z", "from", "range_too_long"),
        ("to=0001-01-01T00:00:00Z", "to", "out_of_range"),
        ("to=9999-12-31T23:59:59Z", "to", "out_of_range"),
        ("limit=0", "limit", "min_value"),
        ("limit=101", "limit", "max_value"),
        ("from=2030-01-01T00:00:00Z&to=2030-12-31T00:00:00Z&group=tag&limit=100", "limit", "too_many_rows"),
        ("form=2030-01-01T00:00:00Z", "form", "unknown_field"),
        ("by=day&by=hour", "by", "repeated_parameter"),
    ],
)
@pytest.mark.django_db
def test_a_bad_parameter_is_named(api: ApiClient, query: str, field: str, code: str) -> None:
    answer = api.get(f"/stats?{query}")
    assert answer.status_code == 422, answer.content
    assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [(field, code)]


@counted
def test_an_answer_reads_no_mail(
    mail: list[str], stats: Any, api: ApiClient, django_assert_max_num_queries: Any
) -> None:
    stats()
    with django_assert_max_num_queries(6) as seen:
        api.get("/stats?group=tag")
    assert not [each for each in seen.captured_queries if "mail_" in each["sql"] or "tracking_event" in each["sql"]]
