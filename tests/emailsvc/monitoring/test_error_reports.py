"""Reports of errors: their type and place, and nothing that anybody wrote."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from sentry_sdk.transport import Transport

from emailsvc.monitoring.error_reports import scrub, start_reports

EVIL = "bruno.vetch@rcpt.test es_live_AbCdEf12Secret <p>The walrus has landed</p> Bearer hush"
KEY = "es_live_AbCdEf12SecretSecretSecret"


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.events.append(envelope.get_event())


@pytest.fixture
def kept() -> Iterator[Kept]:
    transport = Kept()
    handler = start_reports("https://key@sentry.test/7", "test", transport=transport)
    yield transport
    logging.getLogger().removeHandler(handler)
    sentry_sdk.get_global_scope().set_client(None)


def break_down(content: str) -> None:
    secret = f"{content}!"
    raise ValueError(secret)


def test_an_error_is_told_by_type_place_and_ids(kept: Kept) -> None:
    email_id = "01a2041b-7a3c-7c52-8f0e-6c2f6a1d3b9e"
    log = structlog.get_logger("emailsvc.test")
    with structlog.contextvars.bound_contextvars(request_id="r-1", task="mail.tick"):
        try:
            break_down(EVIL)
        except ValueError:
            log.exception("request_failed", email_id=email_id, provider_id=EVIL, address="bruno.vetch@rcpt.test")
        log.warning("no_error", email_id=email_id)
    (event,) = kept.events
    (error,) = event["exception"]["values"]
    assert (error["type"], event["transaction"], event["level"], event["environment"]) == (
        "ValueError",
        "request_failed",
        "error",
        "test",
    )
    assert event["tags"] == {"request_id": "r-1", "task": "mail.tick", "email_id": email_id}
    assert error["stacktrace"]["frames"][-1]["function"] == "break_down"
    assert "bruno" not in json.dumps(event)
    assert "walrus" not in json.dumps(event)


def test_an_error_without_an_exception_is_told_by_its_name(kept: Kept) -> None:
    logging.getLogger("django.request").error("Internal Server Error: %s", "/unsubscribe/bruno.vetch@rcpt.test")
    structlog.get_logger("emailsvc.test").error("storage_away", reply=EVIL)
    assert [event["message"] for event in kept.events] == ["An error without an exception", "storage_away"]
    assert "bruno" not in json.dumps(kept.events)


def make_hostile(depth: int = 0) -> Any:
    """A value of each kind that says what may not be told."""
    return EVIL if depth > 3 else {"values": [make_hostile(depth + 1)], "frames": [make_hostile(depth + 1)], EVIL: EVIL}


HOSTILE_FRAME = dict.fromkeys(
    ("module", "function", "filename", "abs_path", "context_line", "pre_context", "vars", "lineno", "in_app", KEY), EVIL
)


@pytest.mark.parametrize("evil", [EVIL, KEY, {"a": EVIL}, [EVIL], make_hostile()])
def test_a_hostile_event_loses_all_but_its_level(evil: Any) -> None:
    names = ["event_id", "timestamp", "platform", "environment", "sdk", "logger", "transaction", "message", "logentry"]
    names += ["server_name", "release", "dist", "modules", "extra", "contexts", "user", "request", "breadcrumbs"]
    names += ["fingerprint", "threads", "spans", "errors", "debug_meta", "culprit"]
    error = {"type": evil, "module": evil, "value": evil, "mechanism": evil}
    event = {
        **dict.fromkeys(names, evil),
        "level": "error",
        "tags": {"request_id": evil, "email_id": evil, KEY: evil},
        "exception": {"values": [{**error, "stacktrace": {"frames": [HOSTILE_FRAME, evil]}}, evil]},
        KEY: evil,
    }
    told = json.dumps(scrub(event, {"exc_info": evil}))
    for secret in ("bruno", "es_live", "walrus", "hush"):
        assert secret not in told
    assert scrub({**event, "level": "info"}, {}) is None
