"""Size, type and presence of a request's body."""

import io
import json

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory

from common.listening import BODY_LIMIT
from common.parsers import MAX_BATCH_BODY, MAX_BODY

# A handler of its own ends a request as a server does, and looks at the connection that an earlier test has left.
pytestmark = [pytest.mark.urls("tests.common.probe_urls"), pytest.mark.django_db]
ECHO = "/api/v1/echo"


def post(path, body=b"{}", content_type="application/json", **headers):
    response = Client().generic("POST", path, body, content_type=content_type, headers=headers)
    return response.status_code, response.json().get("code"), response


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json ;charset=utf8;",
    ],
)
def test_json_in_utf8_is_taken(content_type):
    status, _, response = post(ECHO, '{"a": "ä"}'.encode(), content_type)
    assert (status, response.json()) == (200, {"body": {"a": "ä"}})


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "*/*",
        "application/*",
        "application/xml",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=latin-1",
        "application/jsonp",
        "application/vnd.api+json",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
        "application/json/x",
    ],
)
def test_any_other_content_type_is_415(content_type):
    assert post(ECHO, b"{}", content_type)[:2] == (415, "unsupported_media_type")


def test_a_compressed_body_is_415():
    assert post(ECHO, b"\x1f\x8b", **{"Content-Encoding": "gzip"})[:2] == (415, "unsupported_media_type")


def test_a_body_is_required_where_the_view_needs_one():
    assert post(ECHO, b"")[:2] == (400, "body_required")
    assert post(ECHO, b"", "")[:2] == (400, "body_required")


@pytest.mark.parametrize("path", ["/api/v1/ignoring", "/api/v1/optional"])
def test_views_without_a_body_need_neither_body_nor_content_type(path):
    assert post(path, b"", "")[0] == 200


def test_an_optional_body_is_checked_when_it_is_there():
    assert post("/api/v1/optional", b'{"a": 1}')[2].json() == {"body": {"a": 1}}
    assert post("/api/v1/optional", b"{")[:2] == (400, "malformed_json")
    assert post("/api/v1/optional", b"{}", "text/plain")[:2] == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"1", b"null", b"true"])
def test_another_kind_of_value_than_the_view_expects_is_422(body):
    assert post(ECHO, body)[:2] == (422, "wrong_body_type")
    assert post("/api/v1/optional", body)[:2] == (422, "wrong_body_type")
    if body != b"[]":
        assert post("/api/v1/list", body)[:2] == (422, "wrong_body_type")


def test_bodies_up_to_the_views_limit_are_taken_and_larger_ones_are_413():
    assert post(ECHO, b'{"a":"' + b"x" * (MAX_BODY - 8) + b'"}')[0] == 200
    assert post(ECHO, b'{"a":"' + b"x" * (MAX_BODY - 7) + b'"}')[:2] == (413, "body_too_large")
    assert post("/api/v1/list", b'["' + b"x" * MAX_BODY + b'"]')[0] == 200
    assert post("/api/v1/list", b" " * (MAX_BATCH_BODY + 1))[:2] == (413, "body_too_large")


def post_chunked(path, stream):
    """As a WSGI server hands over `Transfer-Encoding: chunked`: no length, a stream that ends by itself."""
    environ = RequestFactory().generic("POST", path, content_type="application/json").environ
    environ.pop("CONTENT_LENGTH", None)
    environ |= {
        "CONTENT_TYPE": "application/json",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": stream,
    }
    statuses = []
    body = b"".join(WSGIHandler()(environ, lambda status, headers: statuses.append(int(status[:3]))))
    return statuses[0], json.loads(body)


class EndlessStream(io.RawIOBase):
    def __init__(self):
        self.count = 0

    def read(self, size=-1):
        assert size > 0
        self.count += size
        return b" " * size


def test_a_chunked_body_is_read():
    assert post_chunked(ECHO, io.BytesIO(b'{"a": [1]}')) == (200, {"body": {"a": [1]}})


@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
def test_an_empty_chunked_body_counts_as_missing(body):
    status, answer = post_chunked(ECHO, io.BytesIO(body))
    assert (status, answer["code"]) == (400, "body_required")


def test_an_endless_chunked_body_is_413_soon_after_the_limit():
    stream = EndlessStream()
    status, body = post_chunked(ECHO, stream)
    assert (status, body["code"]) == (413, "body_too_large")
    assert stream.count < MAX_BODY + 1_000_000


class BrokenStream(io.RawIOBase):
    def read(self, size=-1):
        raise ValueError("invalid chunk size")


def test_a_malformed_chunk_is_400():
    status, body = post_chunked(ECHO, BrokenStream())
    assert (status, body["code"]) == (400, "incomplete_body")


def test_a_body_that_is_announced_too_large_is_not_read():
    environ = RequestFactory().generic("POST", ECHO, b"{}", content_type="application/json").environ
    environ |= {"CONTENT_LENGTH": str(MAX_BODY * 2), "wsgi.input": BrokenStream()}
    statuses = []
    list(WSGIHandler()(environ, lambda status, headers: statuses.append(status[:3])))
    assert statuses == ["413"]


def test_a_view_tells_the_server_how_much_it_takes_before_it_reads():
    environ = RequestFactory().generic("POST", ECHO, b"{}", content_type="application/json").environ
    list(WSGIHandler()(environ, lambda status, headers: None))
    assert environ[BODY_LIMIT] == MAX_BODY


def test_a_body_cut_short_is_400():
    environ = RequestFactory().generic("POST", ECHO, b"{}", content_type="application/json").environ
    environ |= {"CONTENT_LENGTH": "50", "wsgi.input": io.BytesIO(b"{}")}
    statuses = []
    body = b"".join(WSGIHandler()(environ, lambda status, headers: statuses.append(status)))
    assert statuses == ["400 Bad Request"]
    assert json.loads(body)["code"] == "incomplete_body"


def test_a_hundred_thousand_brackets_are_400():
    assert post(ECHO, b"[" * 100_000)[:2] == (400, "json_too_deep")
