"""`/metrics`: who may read it, its form, and what a flow leaves in it."""

import re
from typing import Any

import pytest
from django.test import Client, override_settings

from emailsvc.monitoring import metrics_page
from emailsvc.monitoring.exposition import write_exposition
from emailsvc.monitoring.gauges import gauges
from ledger.redis_state import shared
from ledger.telemetry import totals
from ledger.telemetry.instruments import Counter, Family, Gauge, Histogram, take_amounts
from tests.emailsvc.monitoring.strict_text import Sample, parse_exposition

pytestmark = pytest.mark.django_db
TOKEN = "only-for-tests"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr(totals, "HASH", "test:metrics:page")
    monkeypatch.setattr(metrics_page, "_last_totals", {})
    shared.ask(lambda client: client.delete(totals.HASH))
    take_amounts()
    gauges.forget()
    yield
    gauges.forget()


@pytest.fixture
def committed(django_capture_on_commit_callbacks: Any) -> Any:
    """What is done after a commit is done at its end: `with committed(execute=True)`."""
    return django_capture_on_commit_callbacks


def read_metrics() -> dict[Sample, float]:
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}", "Host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse_exposition(answer.content.decode())


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic only-for-tests", "Bearer only-for-test\xf6"])
def test_it_needs_the_token(given: str) -> None:
    answer = Client().get("/metrics", headers={"Authorization": given} if given else {})
    assert (answer.status_code, answer["WWW-Authenticate"], answer.content) == (401, "Bearer", b"")
    assert Client().post("/metrics").status_code == 405


def test_without_token_and_port_there_is_no_such_page() -> None:
    with override_settings(METRICS_TOKEN="", METRICS_PORT=0):
        assert Client().get("/metrics").status_code == 404


def test_its_own_port_serves_it_without_a_token_and_nothing_else() -> None:
    with override_settings(METRICS_TOKEN="", METRICS_PORT=9464):
        client, own = Client(), {"SERVER_PORT": "9464"}
        assert client.get("/metrics", **own).status_code == 200
        paths = ("/", "/healthz", "/admin/login/", "/api/v1/me")
        assert [client.get(path, **own).status_code for path in paths] == [404] * 4
        # The web port does not serve it then, whatever the Host header says.
        assert Client().get("/metrics", headers={"Host": "localhost:9464"}).status_code == 404
        assert Client().get("/healthz").status_code == 200


def test_a_flow_is_counted_by_door_provider_outcome_and_route(
    post: Any, deliver: Any, test_api: Any, committed: Any
) -> None:
    with committed(execute=True):
        post()
        post(test_api, to="delivered@simulator.test")
        test_api.post("/emails", {"to": "nobody"})
        deliver()
    found = read_metrics()
    accepted = {labels: value for (name, labels), value in found.items() if name == "emailsvc_emails_accepted_total"}
    assert accepted == {
        (("door", "api"), ("priority", "normal"), ("test", "false")): 1,
        (("door", "api"), ("priority", "normal"), ("test", "true")): 1,
    }
    route = (("method", "POST"), ("route", "/api/v1/emails"))
    took = "emailsvc_http_request_duration_seconds"
    assert found[f"{took}_count", (*route, ("status", "202"))] == 2
    assert found[f"{took}_bucket", (*route, ("status", "422"), ("le", "+Inf"))] == 1
    attempts = (("kind", "simulator"), ("provider", "project"), ("outcome", "delivered"))
    assert sum(value for (name, labels), value in found.items() if name == "emailsvc_attempts_total") == 1, attempts
    assert found["emailsvc_handover_seconds_count", (("lane", "normal"),)] == 1
    assert found["emailsvc_queue_recipients", (("lane", "normal"), ("state", "due"))] == 1
    assert found["emailsvc_project_due_recipients", (("lane", "normal"), ("project", "Acme"))] == 1
    assert found["emailsvc_events_total", (("type", "email.delivered"),)] == 1
    assert found["emailsvc_database_up", ()] == found["emailsvc_redis_up", ()] == 1


def test_each_family_is_described_even_when_it_has_no_value() -> None:
    text = metrics_page.write_metrics()
    assert set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)) == set(Family.all)
    assert parse_exposition(text)["emailsvc_wake_ups_failed_total", ()] == 0


def test_while_redis_is_away_the_counters_stand_still(
    monkeypatch: pytest.MonkeyPatch, post: Any, committed: Any
) -> None:
    with committed(execute=True):
        post()
    name = ("emailsvc_emails_accepted_total", (("door", "api"), ("priority", "normal"), ("test", "false")))
    assert read_metrics()[name] == 1
    monkeypatch.setattr(totals.shared, "ask", lambda _question: None)
    found = read_metrics()
    assert (found[name], found["emailsvc_redis_up", ()]) == (1, 0)


def test_labels_and_help_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Family, "all", {})
    Counter("a_total", "A\\B\nC.", ("x",))
    Histogram("b_seconds", "B.", ("x",), bounds=(0.5,))
    Gauge("c", "C.")
    text = write_exposition(
        {("a_total", "", 'q"\\\n'): 2, ("b_seconds", "1", "y"): 3, ("b_seconds", "sum", "y"): 4.5}, {"c": {(): 0.25}}
    )
    assert text == (
        "# HELP a_total A\\\\B\\nC.\n# TYPE a_total counter\n"
        'a_total{x="q\\"\\\\\\n"} 2\n'
        "# HELP b_seconds B.\n# TYPE b_seconds histogram\n"
        'b_seconds_bucket{x="y",le="0.5"} 0\nb_seconds_bucket{x="y",le="+Inf"} 3\n'
        'b_seconds_sum{x="y"} 4.5\nb_seconds_count{x="y"} 3\n'
        "# HELP c C.\n# TYPE c gauge\nc 0.25\n"
    )
    assert parse_exposition(text)["a_total", (("x", 'q"\\\n'),)] == 2
