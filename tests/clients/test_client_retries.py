"""When the client tries again, with which key, and when it gives up."""

import httpx
import pytest
from emailsvc_client import (
    AuthenticationError,
    Client,
    ConfigurationError,
    InvalidFieldsError,
    RateLimitedError,
    ServerError,
    UnreachableError,
)
from emailsvc_client.retrying import RetryPolicy

FIELDS = {"from_": "shop@mine.test", "to": "one@rcpt.test", "text": "Hello."}


def refuse(status: int, code: str = "x", **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "No."}, headers=headers)


def accept() -> httpx.Response:
    return httpx.Response(202, json={"id": "1"})


@pytest.mark.parametrize(
    "failure",
    [
        refuse(503, **{"Retry-After": "1"}),
        refuse(429),
        refuse(500),
        refuse(502),
        refuse(409, "idempotency_in_flight"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_a_send_is_tried_again_with_the_same_key(answering, failure) -> None:
    client, requests, waits = answering(failure, accept())
    assert client.send_email(**FIELDS)["id"] == "1"
    keys = [request.headers["Idempotency-Key"] for request in requests]
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert requests[0].content == requests[1].content
    assert len(waits) == 1


def test_two_sends_have_two_keys_and_a_given_key_is_used(answering) -> None:
    client, requests, _ = answering(accept(), accept(), accept())
    client.send_email(**FIELDS)
    client.send_email(**FIELDS)
    client.send_email(idempotency_key="order-1", **FIELDS)
    keys = [request.headers["Idempotency-Key"] for request in requests]
    assert keys[0] != keys[1]
    assert keys[2] == "order-1"


def test_it_waits_as_long_as_the_service_asks(answering) -> None:
    client, _, waits = answering(refuse(429, **{"Retry-After": "7"}), refuse(503, **{"Retry-After": "3"}), accept())
    client.send_email(**FIELDS)
    assert waits == [7, 3]


def test_a_wait_of_hours_is_the_callers(answering) -> None:
    client, _, waits = answering(refuse(429, "quota_exceeded", **{"Retry-After": "7200"}))
    with pytest.raises(RateLimitedError) as caught:
        client.send_email(**FIELDS)
    assert (caught.value.code, caught.value.retry_after, waits) == ("quota_exceeded", 7200, [])


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (422, InvalidFieldsError)])
def test_what_will_not_change_is_not_tried_again(answering, status, kind) -> None:
    client, requests, _ = answering(refuse(status))
    with pytest.raises(kind):
        client.send_email(**FIELDS)
    assert len(requests) == 1


def test_it_gives_up_after_its_attempts(answering) -> None:
    client, requests, waits = answering(*[httpx.ConnectError("refused")] * 3, retries=RetryPolicy(max_attempts=3))
    with pytest.raises(UnreachableError, match="refused"):
        client.send_email(**FIELDS)
    assert len(requests) == 3
    assert waits == sorted(waits)


def test_a_delete_whose_answer_is_lost_is_not_repeated(answering) -> None:
    client, requests, _ = answering(httpx.ReadTimeout("late"))
    with pytest.raises(UnreachableError):
        client.delete_template("welcome")
    client, requests, _ = answering(httpx.ConnectError("refused"), refuse(503), httpx.Response(204))
    client.delete_template("welcome")
    assert len(requests) == 3


def test_a_page_of_a_proxy_is_an_error_too(answering) -> None:
    client, _, _ = answering(httpx.Response(504, text="<html>"), retries=RetryPolicy(max_attempts=1))
    with pytest.raises(ServerError, match="504"):
        client.get_me()


def test_a_stream_goes_on_where_it_was_cut(answering) -> None:
    first = b'retry: 1000\n\nid: c1\nevent: email.sent\ndata: {"id": "1"}\n\nid: c2\n\nid: c3\ndata: {"id"'
    second = b'id: c4\nevent: email.sent\ndata: {"id": "2"}\n\n'
    client, requests, waits = answering(
        httpx.Response(200, content=first), httpx.ReadError("cut"), httpx.Response(200, content=second)
    )
    events = client.stream_events(types=["email.sent"])
    assert [next(events)["id"], next(events)["id"]] == ["1", "2"]
    assert [request.url.params.get("after") for request in requests] == [None, "c2", "c2"]
    assert len(waits) == 2


def test_the_account_comes_from_arguments_settings_and_environment(monkeypatch, settings) -> None:
    monkeypatch.setenv("EMAILSVC_URL", "https://env.test/api/v1/")
    monkeypatch.setenv("EMAILSVC_API_KEY", "es_live_env")
    assert Client().account.url == "https://env.test"
    settings.EMAILSVC_URL = "https://settings.test"
    assert Client().account.url == "https://settings.test"
    client = Client("https://given.test/mail/")
    assert (client.account.url, client.account.api_key) == ("https://given.test/mail", "es_live_env")
    assert "es_live_env" not in repr(client.account)


def test_a_missing_or_wrong_account_is_told(monkeypatch) -> None:
    monkeypatch.delenv("EMAILSVC_URL", raising=False)
    monkeypatch.delenv("EMAILSVC_API_KEY", raising=False)
    for given in (
        (None, "k"),
        ("https://x.test", None),
        ("ftp://x.test", "k"),
        ("x.test", "k"),
        ("https://x.test", "k\n"),
    ):
        with pytest.raises(ConfigurationError):
            Client(*given)
