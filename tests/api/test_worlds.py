"""Test keys have a world of their own: they see and change what test keys have made, and nothing else."""

from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import IdempotencyKey, Stream
from domains.models import DkimKey, Domain
from messages.models import Message
from providers.models import Provider
from templates_app.models import Template, Version
from tests.api.conftest import EMAIL
from tests.api.test_frame import BODIES, MAKE_ONE, PATHS
from tests.architecture.test_tenancy import fill, owned  # noqa: F401  a fixture
from tests.feed_settling import settle
from tracking.models import Event, Suppression
from tracking.stats.aggregation import aggregate_all
from tracking.suppressions.service import Entry, suppress
from webhooks.models import Endpoint, WebhookDelivery

pytestmark = pytest.mark.django_db

# What a live key has made. `test` marks the other rows of tables that hold both.
LIVE = {
    "mail_message": "NOT is_test",
    "mail_content": "message_id IN (SELECT id FROM mail_message WHERE NOT is_test)",
    "mail_recipient": "message_id IN (SELECT id FROM mail_message WHERE NOT is_test)",
    "tracking_event": "NOT is_test",
    "tracking_suppression": "NOT is_test",
    "webhooks_endpoint": "NOT is_test",
    "webhooks_webhookdelivery": "endpoint_id IN (SELECT id FROM webhooks_endpoint WHERE NOT is_test)",
    "accounts_idempotencykey": "NOT is_test",
    **dict.fromkeys((model._meta.db_table for model in (Template, Version, Domain, DkimKey, Stream, Provider)), "TRUE"),
}
# The resources of which there are live and test ones.
BOTH = {"emails", "suppressions", "webhooks"}
READ_ONLY = ("/templates", "/domains", "/streams")


def read_live() -> dict[str, Any]:
    """Every live row, as text."""
    found = {}
    with connection.cursor() as cursor:
        for table, condition in LIVE.items():
            cursor.execute(f"SELECT t::text FROM {table} t WHERE {condition} ORDER BY 1")
            found[table] = [row[0] for row in cursor.fetchall()]
    return found


def expect(method: str, path: str) -> set[int]:
    """How a test key's request about a live object is answered."""
    if path.startswith(("/providers", "/admin")):
        return {403}
    # A test key that erases would erase live mail.
    if path.startswith("/erasures"):
        return {403}
    if path.startswith(READ_ONLY) and path != "/templates/<str:ref>/test":
        return {403} if method != "GET" and not path.endswith("/preview") else {200}
    if path == "/suppressions/import":
        return {403}
    if path == "/emails/settle":
        return {422}
    return {404} if "<" in path and "/templates" not in path else {200, 201, 202}


@pytest.mark.parametrize("tag", sorted({path.split("/")[1] for _, path in PATHS}))
def test_no_route_lets_a_test_key_see_or_change_a_live_row(api, test_api, owned, settings, tag):  # noqa: F811
    settings.TRUSTED_SENDER_DOMAINS = ["*"]
    api.post("/emails", EMAIL, Idempotency_Key="one")
    before = read_live()
    assert all(rows or "delivery" in table or "version" in table for table, rows in before.items()), before
    for method, path in PATHS:
        # A stream of events does not end; its rows are those of the feed.
        if path.split("/")[1] != tag or path == "/events/stream":
            continue
        headers = {"Idempotency_Key": f"one{path}"} if method == "POST" else {}
        full = fill(path, owned.get(tag, defaultdict(lambda: str(uuid4()))))
        answer = test_api.request(method, full, BODIES.get(f"{method} {path}"), **headers)
        assert answer.status_code in expect(method, path), (method, path, answer.content)
        refusal = "missing_scope" if tag == "admin" else "test_key"
        assert answer.status_code != 403 or answer.json()["code"] == refusal
        assert read_live() == before, (method, path)
        if method == "POST" and MAKE_ONE.get(path) in BOTH and answer.status_code < 300:
            assert answer.json()["test"] is True


def test_a_live_key_lists_test_rows_only_when_asked_and_changes_none(api, test_api, post):
    pk = post(test_api)["id"]
    test_api.post("/suppressions", {"address": "a@x.test"})
    hook = test_api.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]}).json()["id"]
    for path in ("/emails", "/suppressions", "/webhooks"):
        assert api.get(path).json()["data"] == []
        assert api.get(f"{path}?test=false").json()["data"] == []
        (row,) = api.get(f"{path}?test=true").json()["data"]
        assert row["test"] is True
        assert test_api.get(path).json()["data"] == test_api.get(f"{path}?test=true").json()["data"] == [row]
        assert test_api.get(f"{path}?test=false").json()["data"] == []
        assert api.get(f"{path}?test=maybe").status_code == 422
    assert (api.get(f"/emails/{pk}").status_code, api.get(f"/webhooks/{hook}").status_code) == (200, 200)
    assert api.get("/suppressions/a@x.test").status_code == 404
    for answer in (
        api.post(f"/emails/{pk}/resend"),
        api.delete(f"/webhooks/{hook}"),
        api.post(f"/webhooks/{hook}/test"),
        api.delete("/suppressions/a@x.test"),
        api.post("/suppressions/a@x.test/release"),
    ):
        assert answer.status_code == 404
    assert (Message.objects.count(), Endpoint.objects.count(), Suppression.objects.count()) == (1, 1, 1)


def test_suppressions_act_in_their_own_world(api, test_api, post):
    assert api.post("/suppressions", {"address": "live@x.test"}).status_code == 201
    assert test_api.post("/suppressions", {"address": "test@x.test"}).status_code == 201
    # The same address, once in each.
    assert test_api.post("/suppressions", {"address": "live@x.test"}).status_code == 201
    assert test_api.delete("/suppressions/live@x.test").status_code == 204
    assert api.get("/suppressions/live@x.test").json()["test"] is False
    told = {
        (by is test_api, name): post(by, to=f"{name}@x.test")["status"]
        for by in (api, test_api)
        for name in ("live", "test")
    }
    assert told == {
        (False, "live"): "failed",
        (False, "test"): "queued",
        (True, "live"): "queued",
        (True, "test"): "failed",
    }


def test_a_suppression_that_comes_later_stops_queued_mail_of_its_own_world(api, test_api, post, deliver, project):
    pk = post(test_api, to="delivered@simulator.test")["id"]
    suppress(project.pk, Entry(address="delivered@simulator.test", reason="manual"))
    deliver()
    assert test_api.get(f"/emails/{pk}").json()["status"] == "delivered"
    stopped = post(test_api, to="sent@simulator.test")["id"]
    suppress(project.pk, Entry(address="sent@simulator.test", reason="manual"), is_test=True)
    deliver()
    assert test_api.get(f"/emails/{stopped}").json()["status_reason"] == "suppressed"


def test_what_happens_to_test_mail_suppresses_nobody(test_api, post, deliver):
    post(test_api, to=["bounced@simulator.test", "550-5.1.1@simulator.test"])
    deliver()
    assert not Suppression.objects.exists()


def test_events_of_test_mail_go_to_test_endpoints_and_feeds_only(api, test_api, post):
    for by in (api, test_api):
        by.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]})
    live, test = post()["id"], post(test_api)["id"]
    told = WebhookDelivery.objects.values_list("endpoint__is_test", "payload")
    assert {is_test: live in payload for is_test, payload in told} == {False: True, True: False}
    assert {event.is_test: str(event.message_id) for event in Event.objects.all()} == {False: live, True: test}


def test_the_same_idempotency_key_is_another_one_for_test_keys(api, test_api):
    first = api.post("/emails", EMAIL, Idempotency_Key="k")
    second = test_api.post("/emails", EMAIL, Idempotency_Key="k")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotency-Replayed" not in second
    assert test_api.post("/emails", EMAIL, Idempotency_Key="k").json()["id"] == second.json()["id"]
    assert IdempotencyKey.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_statistics_are_those_of_live_mail_and_not_for_test_keys(api, test_api, post):
    for by in (api, test_api):
        post(by)
    settle()
    aggregate_all(timedelta(minutes=1))
    assert [row["emails"] for row in api.get("/stats").json()["totals"]] == [1]
    assert not sum(row["emails"] for row in test_api.get("/stats").json()["totals"])


@pytest.mark.django_db(transaction=True)
def test_each_feed_holds_the_events_of_its_own_world(api, test_api, post):
    live, test = post()["id"], post(test_api)["id"]
    settle()

    def read(by, query=""):
        return [(event["email_id"], event["test"]) for event in by.get(f"/events{query}").json()["data"]]

    assert read(api) == read(api, "?test=false") == [(live, False)]
    assert read(test_api) == read(api, "?test=true") == read(api, "?test=true&types=email.queued") == [(test, True)]


def test_live_mail_takes_no_simulator(api, post, deliver):
    api.post("/providers", {"name": "s", "kind": "simulator"})
    pk = post(to="delivered@simulator.test")["id"]
    deliver()
    shown = api.get(f"/emails/{pk}").json()
    assert (shown["status"], shown["status_reason"], shown["attempts"]) == ("queued", "no_provider", [])
    assert "no enabled provider" in api.get(f"/emails/{pk}/explain").json()["why"]
    # A scenario is a word of the simulator alone.
    assert api.post("/emails", {**EMAIL, "to": "open.2x@simulator.test"}).status_code == 202
