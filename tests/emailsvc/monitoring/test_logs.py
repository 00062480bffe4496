"""Logs and metrics: ids join in them, and nothing of a mail, of its people or of a credential is in them."""

import io
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from accounts.models import RequestEntry
from emailsvc.logs import mask_text
from emailsvc.monitoring import metrics_page
from ledger.telemetry import lines as lines_module
from ledger.telemetry.gathering import gatherer
from messages import services
from tests.conftest import ApiClient
from tests.webhooks.conftest import _loopback, endpoint, receiver  # noqa: F401
from webhooks.posting.loop import PostingLoop

pytestmark = pytest.mark.django_db
EMAIL = {
    "from_": "Zora Quill <zora.quill@mine.test>",
    "to": ["Bruno Vetch <bruno.vetch@rcpt.test>"],
    "subject": "Quarterly zeppelin figures",
    "html": "<p>The walrus has <a href='https://x.test/?t=hush'>landed</a></p>",
    "text": "The walrus has landed",
    "metadata": {"order": "marmalade-77"},
    "tags": ["tangerine"],
}
# Parts of what may not be told: names, local parts, subject, bodies, metadata, tags, queries.
SECRETS = ("zora", "bruno.vetch", "zeppelin", "walrus", "marmalade", "tangerine", "hush", "otto.kranich")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the process has logged, as lines of JSON."""
    stream = io.StringIO()
    handler = logging.getLogger().handlers[0]
    monkeypatch.setattr(handler, "stream", stream)
    # pytest replaces sys.stderr itself between setup and call.
    monkeypatch.setattr(lines_module, "sys", SimpleNamespace(stderr=stream))

    def read() -> list[dict[str, Any]]:
        gatherer.write()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    return read


def fail_by(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_ids_of_request_email_attempt_and_webhook_join(
    log: Any,
    project: Any,
    test_api: ApiClient,
    deliver: Any,
    make_api: Any,
    receiver: Any,  # noqa: F811
) -> None:
    test_api.post("/webhooks", {"url": receiver.url, "events": ["email.delivered"]})
    answer = test_api.post("/emails", {**EMAIL, "to": "delivered@simulator.test"})
    deliver()
    PostingLoop().run()
    lines = log()
    request = next(line for line in lines if line.get("email_ids"))
    assert request["request_id"] == answer["X-Request-Id"]
    assert (request["event"], request["route"], request["level"]) == ("request", "/api/v1/emails", "info")
    assert request["project_id"] == str(project.pk)
    (email_id,) = request["email_ids"]
    attempt = next(line for line in lines if line["event"] == "attempt")
    assert (attempt["email_id"], attempt["outcome"], attempt["number"]) == (email_id, "delivered", 1)
    post = next(line for line in lines if line["event"] == "webhook_attempt")
    assert (post["email_id"], post["outcome"], post["status"]) == (email_id, "delivered", 200)


def test_a_flow_leaves_nothing_of_a_mail_in_logs_metrics_and_the_request_log(
    log: Any, api: ApiClient, test_api: ApiClient, deliver: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    api.post("/emails", EMAIL, X_Request_Id="otto.kranich@x.test", Idempotency_Key="marmalade")
    api.post("/emails", {**EMAIL, "to": "bruno.vetch@@rcpt.test"})
    test_api.post("/emails", {**EMAIL, "to": ["bounced@simulator.test", "deferred@simulator.test"]})
    deliver()
    api.post("/suppressions", {"address": "bruno.vetch@rcpt.test"})
    api.get("/suppressions/bruno.vetch@rcpt.test?q=hush")
    api.delete("/suppressions/otto.kranich@rcpt.test")
    api.get("/emails?to=bruno.vetch@rcpt.test")
    Client(raise_request_exception=False).get("/no/bruno.vetch@rcpt.test?walrus=1")
    Client(raise_request_exception=False).get("/admin/", headers={"Host": "walrus.test"})
    for error in (IntegrityError("Key (address)=(bruno.vetch@rcpt.test)"), ValueError("no bruno.vetch@rcpt.test here")):
        with monkeypatch.context() as broken:
            broken.setattr(services, "upload_and_prepare", fail_by(error))
            assert api.post("/emails", EMAIL).status_code == 500
    lines = log()
    assert {"request", "attempt", "request_failed"} <= {line["event"] for line in lines}
    settings.METRICS_TOKEN = "only-for-tests"
    metrics_page.gauges.forget()
    metrics = metrics_page.write_metrics()
    metrics_page.gauges.forget()
    rows = str(list(RequestEntry.objects.values()))
    assert RequestEntry.objects.count() > 5
    for text in (json.dumps(lines), metrics, rows):
        found = [secret for secret in (*SECRETS, api.token, test_api.token) if secret in text.lower()]
        assert found == [], text


def test_what_django_says_of_refused_requests_is_left_out(log: Any) -> None:
    client = Client(raise_request_exception=False)
    assert client.get("/nowhere").status_code == 404
    assert [line for line in log() if line["logger"].startswith("django")] == []


def test_a_page_that_fails_is_told_without_its_path(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emailsvc.web.pages.render", fail_by(ValueError("of zora.quill@mine.test")))
    assert Client(raise_request_exception=False).get("/?walrus").status_code == 500
    (line,) = [line for line in log() if line["logger"] == "django.request"]
    assert line["event"] == "page_failed"
    assert "ValueError: of ***@mine.test" in line["exception"]


def test_below_the_level_no_line_is_gathered(log: Any, api: ApiClient, settings: Any) -> None:
    settings.LOG_LEVEL = "WARNING"
    api.get("/me")
    assert log() == []


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to <bob.b@x.test>: no", "to <***@x.test>: no"),
        ("bob@localhost stays", "bob@localhost stays"),
        ("key es_live_AbCdEf12SecretSecretSecret", "key es_live_AbCdEf12…"),
        ("whsec_c2VjcmV0", "whsec_…"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("smtp://user:password@relay.test:587", "smtp://…@relay.test:587"),
        ("SELECT 1", "SELECT 1"),
    ],
)
def test_texts_of_others_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked
