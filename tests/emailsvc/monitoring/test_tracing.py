"""Traces: an email's spans are of one trace, whoever made them, and say nothing of the mail."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.ids import new_id
from emailsvc.monitoring import tracing
from emailsvc.observability_settings import ObservabilitySettings
from ledger.telemetry import spans
from tests.conftest import ApiClient
from tests.emailsvc.monitoring.test_logs import EMAIL, SECRETS
from tests.webhooks.conftest import _loopback, endpoint, receiver  # noqa: F401
from webhooks.posting.loop import PostingLoop

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def ended(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Traces are on; the function returns what was exported."""
    settings.IS_TRACED = True
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "_tracing", [tracing.Tracing(SimpleSpanProcessor(exporter))])

    def read() -> list[Any]:
        tracing.write_spans()
        return list(exporter.get_finished_spans())

    yield read
    spans.facts.clear()


@pytest.mark.django_db
def test_request_accept_claim_attempt_and_webhook_join_in_traces(
    ended: Any,
    project: Any,
    test_api: ApiClient,
    deliver: Any,
    make_api: Any,
    receiver: Any,  # noqa: F811
    django_capture_on_commit_callbacks: Any,
) -> None:
    test_api.post("/webhooks", {"url": receiver.url, "events": ["email.delivered"]})
    body = {**EMAIL, "to": "delivered@simulator.test"}
    with django_capture_on_commit_callbacks(execute=True):
        email = test_api.post("/emails", body, traceparent=CALLER).json()["id"]
    deliver()
    PostingLoop().run()
    found = ended()
    request = next(span for span in found if span.attributes.get("emailsvc.email_ids") == (email,))
    assert (request.name, request.kind.name) == ("POST /api/v1/emails", "SERVER")
    assert f"{request.context.trace_id:032x}-{request.parent.span_id:016x}" in CALLER
    accept, claim, attempt, webhook = (
        next(span for span in found if span.name == name) for name in ("accept", "claim", "attempt", "webhook")
    )
    assert len({span.context.trace_id for span in (accept, claim, attempt, webhook)}) == 1
    assert accept.parent is None
    parents = [span.parent.span_id for span in (claim, attempt, webhook)]
    assert parents == [span.context.span_id for span in (accept, claim, accept)]
    assert {span.attributes["emailsvc.email_id"] for span in (accept, claim, attempt, webhook)} == {email}
    assert attempt.attributes["emailsvc.attempt_id"] == claim.attributes["emailsvc.attempt_id"]
    assert (attempt.attributes["emailsvc.outcome"], attempt.kind.name) == ("delivered", "CLIENT")
    assert webhook.attributes["emailsvc.status"] == 200
    assert all(span.start_time <= span.end_time for span in found)
    told = "".join(span.to_json() for span in found).lower()
    assert [secret for secret in (*SECRETS, "simulator.test", test_api.token) if secret in told] == []


@pytest.mark.django_db
def test_without_traces_nothing_is_noted(test_api: ApiClient, deliver: Any) -> None:
    test_api.post("/emails", {**EMAIL, "to": "delivered@simulator.test"}, traceparent=CALLER)
    deliver()
    assert not spans.facts


def test_an_accept_is_linked_to_the_request_that_brought_the_email(ended: Any) -> None:
    spans.begin_request(CALLER)
    spans.note_accept(new_id(), 1.0)
    spans.end_request("POST /api/v1/emails", 0.1, has_failed=True)
    # Mail of the submission server and of commands comes without a request.
    spans.note_accept(new_id(), 1.0)
    linked, request, alone = ended()
    assert [link.context.span_id for link in linked.links] == [request.context.span_id]
    assert (request.status.status_code.name, len(alone.links)) == ("ERROR", 0)


def test_a_share_of_the_traces_is_taken_or_left_as_a_whole(ended: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    exporter = InMemorySpanExporter()
    tracing._tracing[:] = [tracing.Tracing(SimpleSpanProcessor(exporter))]
    ids = [new_id() for _ in range(400)]
    for number, email_id in enumerate(ids):
        spans.note_accept(email_id, 1.0)
        spans.note_claim(email_id, number, 1.0)
        spans.note_step("attempt", spans.claim_span(email_id, number), 1.0)
    tracing.write_spans()
    names: dict[int, list[str]] = {}
    for span in exporter.get_finished_spans():
        names.setdefault(span.context.trace_id, []).append(span.name)
    assert set(map(tuple, names.values())) == {("accept", "claim", "attempt")}
    assert 40 < len(names) < 160


@pytest.mark.parametrize(
    ("header", "is_taken"),
    [
        (CALLER, True),
        (CALLER.replace("00-", "01-", 1) + "-more", True),
        ("", False),
        (CALLER.replace("00-", "ff-", 1), False),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        (f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", False),
        (CALLER.upper(), False),
        (CALLER + "\n", False),
    ],
)
def test_the_trace_of_the_caller_is_continued_if_its_header_is_one(header: str, is_taken: bool) -> None:
    spans.begin_request(header)
    begun = spans.current_request.get()
    assert begun is not None
    assert (f"{begun[0].trace_id:032x}" in header) is is_taken
    assert (begun[1] is not None) is is_taken
    spans.current_request.set(None)


def test_the_ids_of_a_trace_come_from_the_email_in_each_form() -> None:
    email_id = UUID("01a2041b-7a3c-7c52-8f0e-6c2f6a1d3b9e")
    assert spans.email_span(email_id) == spans.email_span(str(email_id))
    assert spans.email_span(email_id) != spans.email_span(new_id())


def test_traces_are_on_by_the_endpoint_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ObservabilitySettings.model_fields:
        monkeypatch.delenv(name, raising=False)
    assert not ObservabilitySettings().wants_traces
    assert ObservabilitySettings(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://x.test/v1/traces").wants_traces
    assert not ObservabilitySettings(OTEL_EXPORTER_OTLP_ENDPOINT="http://x.test", OTEL_SDK_DISABLED=True).wants_traces
    with pytest.raises(ValueError, match="KEY@HOST"):
        ObservabilitySettings(SENTRY_DSN="https://sentry.test/7")
