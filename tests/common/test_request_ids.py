"""X-Request-Id on every response."""

import uuid

import pytest
import structlog
from django.test import Client

pytestmark = pytest.mark.urls("tests.common.probe_urls")


@pytest.mark.parametrize("given", ["a", "req_1-2.3:4", "x" * 128, "0b8e3d3e-6d0e-4f5b-9f0a-0d6a3a3f1c11"])
def test_the_callers_own_request_id_comes_back(given):
    assert Client().get("/api/v1/nothing", headers={"X-Request-Id": given})["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", 'a"b', "<b>", "ä", "a\r\nSet-Cookie: b=c", "\0"])
def test_an_unsafe_request_id_is_replaced(given):
    answered = Client().get("/api/v1/nothing", headers={"X-Request-Id": given})["X-Request-Id"]
    assert uuid.UUID(answered).version == 7


@pytest.mark.parametrize("path", ["/", "/pages/bug", "/api/v1/faults/bug", "/api/v1/functions/database"])
def test_every_response_carries_one(path):
    assert uuid.UUID(Client(raise_request_exception=False).get(path)["X-Request-Id"])


def test_the_log_carries_it_and_forgets_it_afterwards():
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        Client(raise_request_exception=False).get("/api/v1/faults/bug", headers={"X-Request-Id": "abc"})
    assert [line["request_id"] for line in lines] == ["abc"]
    assert structlog.contextvars.get_contextvars() == {}
