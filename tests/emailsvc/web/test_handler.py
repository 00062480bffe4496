"""The handler of the web server, beside Django's own."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.urls import get_script_prefix, set_script_prefix

from emailsvc.web.handler import Handler, Request

pytestmark = pytest.mark.django_db
NAMES = ("path", "path_info", "method", "content_type", "content_params", "encoding")


@pytest.fixture
def handler() -> Iterator[Handler]:
    """The receivers that the server's process has not would end the test's transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield Handler()
    for signal in signals:
        signal.connect(close_old_connections)
    set_script_prefix("/")


def build(path: str = "/healthz", **more: str) -> dict[str, Any]:
    usual = {"REQUEST_METHOD": "GET", "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "localhost"}
    return {
        **usual,
        "SERVER_PORT": "80",
        "wsgi.input": BytesIO(b"body"),
        "wsgi.url_scheme": "http",
        "PATH_INFO": path,
        **more,
    }


def ask(handler: Handler, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    told: list[Any] = []
    response = handler(environ, lambda *head: told.extend(head))
    body = b"".join(response)
    response.close()
    return told[0], told[1], body


@pytest.mark.parametrize(
    "environ",
    [
        build("/a/b", CONTENT_TYPE="application/json; charset=latin-1", CONTENT_LENGTH="4"),
        build("/caf\xc3\xa9/\xff"),
        build("//double"),
        build(""),
        build("/x", SCRIPT_NAME="/below", REQUEST_METHOD="post", CONTENT_LENGTH="many"),
        build("/x", SCRIPT_NAME="/", CONTENT_LENGTH=""),
    ],
)
def test_a_request_is_what_django_makes_of_it(environ: dict[str, Any]) -> None:
    ours, theirs = [kind({**environ, "wsgi.input": BytesIO(b"body")}) for kind in (Request, WSGIRequest)]
    assert {name: getattr(ours, name) for name in NAMES} == {name: getattr(theirs, name) for name in NAMES}
    assert [(key, value) for key, value in ours.META.items() if key != "wsgi.input"] == [
        (key, value) for key, value in theirs.META.items() if key != "wsgi.input"
    ]
    assert ours.read() == theirs.read()


def test_an_answer_has_status_headers_and_cookies(handler: Handler) -> None:
    status, headers, body = ask(handler, build("/admin/login/"))
    assert status == "200 OK"
    assert {"Content-Type", "Set-Cookie", "X-Request-Id"} <= {name for name, _ in headers}
    assert body.lstrip().startswith(b"<!DOCTYPE html>")


def test_a_prefix_is_of_its_request_only(handler: Handler) -> None:
    seen = []
    handler._middleware_chain = lambda request, chain=handler._middleware_chain: (  # type: ignore[attr-defined,misc]
        seen.append(get_script_prefix()) or chain(request)
    )
    for prefix in ("", "/below", ""):
        ask(handler, build(SCRIPT_NAME=prefix))
    assert seen == ["/", "/below/", "/"]


def test_the_same_path_gets_the_same_view_and_an_unknown_one_none(handler: Handler, monkeypatch: Any) -> None:
    logged: list[str] = []
    monkeypatch.setattr("emailsvc.web.handler.log_response", lambda _, reason, path, **__: logged.append(path))
    assert [ask(handler, build(path))[0] for path in ("/healthz", "/healthz", "/no-such", "/no-such")] == [
        "200 OK",
        "200 OK",
        "404 Not Found",
        "404 Not Found",
    ]
    # Unknown paths are logged, and only paths of views are kept.
    assert logged == ["/no-such", "/no-such"]
    assert list(handler._matches) == ["/healthz"]


def test_a_broken_connection_is_closed_after_the_request(handler: Handler, monkeypatch: Any) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(connection._connections[connection._alias], "in_atomic_block", False)
    monkeypatch.setattr(
        connection._connections[connection._alias], "close_if_unusable_or_obsolete", lambda: closed.append(True)
    )
    ask(handler, build())
    assert closed == [True, True]


def test_signals_are_sent(handler: Handler) -> None:
    heard: list[str] = []

    def hear(signal: Any, **_: Any) -> None:
        heard.append("started" if signal is request_started else "finished")

    for signal in (request_started, request_finished):
        signal.connect(hear)
    ask(handler, build())
    for signal in (request_started, request_finished):
        signal.disconnect(hear)
    assert heard == ["started", "finished"]
