"""Conventions of every route of the API."""

import json
import uuid
from collections.abc import Iterator

import pytest
from django.db import OperationalError
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.checks import check_scopes

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "errors"}


def list_routes(patterns=None, prefix="", fill=lambda part: ID) -> Iterator[tuple[str, str]]:
    """Each (method, path) below /api/v1, with an id that does not exist in the place of ids."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from list_routes(pattern.url_patterns, path, fill)
        elif isinstance(pattern, URLPattern) and path.startswith("api/v1/"):
            yield from ((method, f"/{fill_in(path, fill)}") for method in find_methods(pattern.callback))


def list_views(patterns=None, prefix="") -> Iterator[tuple[str, type, list[str]]]:
    """Each path below /api/v1 with its view and what is served there: actions, or methods in lower case."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from list_views(pattern.url_patterns, path)
        elif path.startswith("api/v1/"):
            view, actions = pattern.callback.cls, getattr(pattern.callback, "actions", None)
            served = actions.values() if actions else map(str.lower, find_methods(pattern.callback))
            yield path, view, sorted(set(served))


def fill_in(path, fill):
    return "/".join(fill(part) if part.startswith("<") else part for part in path.split("/"))


def find_methods(callback):
    actions = getattr(callback, "actions", None)
    view = getattr(callback, "cls", None)
    served = actions or [name for name in getattr(view, "http_method_names", []) if hasattr(view, name)]
    return [method.upper() for method in served if method not in {"head", "options"}]


@pytest.fixture
def routes():
    return list(list_routes())


@pytest.fixture
def call(api, admin_api):
    """Calls a path below /api/v1 with a key that may: `call("GET", "/api/v1/me")`."""

    def request(method, path, *body, **headers):
        client = admin_api if path.startswith("/api/v1/admin/") else api
        return client.request(method, path, *body, **headers)

    return request


def check_problem(response, *statuses):
    assert response.status_code in statuses, (response.status_code, response.content)
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert set(body) == MEMBERS
    assert body["request_id"] == response["X-Request-Id"]
    return body


def test_every_route_declares_its_scope():
    assert check_scopes() == []


def test_every_route_refuses_callers_without_a_key(routes, anonymous, db):
    for method, path in routes:
        for form in (path, f"{path}/"):
            response = anonymous.request(method, form)
            assert check_problem(response, 401)["code"] == "not_authenticated"
            assert response["WWW-Authenticate"] == "Bearer"


def test_every_route_but_me_refuses_a_key_without_scopes(routes, make_api):
    powerless = make_api(scopes=[])
    for method, path in routes:
        if path != "/api/v1/me":
            body = check_problem(powerless.request(method, path), 403)
            assert body["code"] == "missing_scope"


def test_both_forms_of_a_path_are_served_alike(routes, call):
    for method, path in routes:
        plain, slashed = call(method, path), call(method, f"{path}/")
        assert plain.status_code == slashed.status_code, path
        assert plain.status_code not in {301, 302, 307, 308}


HOSTILE = {
    "brackets": b"[" * 100_000,
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "lone surrogate": rb'{"subject": "\ud800"}',
    "surrogate name": rb'{"\udfff": 1}',
    "nul": rb'{"subject": "a\u0000b", "q": ["\u0000"]}',
    "many digits": b'{"limit": ' + b"9" * 4_000 + b"}",
    "infinite": b'{"a": 1e999}',
    "nan": b'{"a": NaN}',
    "twice": b'{"to": "a@b.test", "to": "c@d.test"}',
    "many keys": json.dumps({f"k{n}": n for n in range(2_000)}).encode(),
    "invalid utf-8": b'{"a": "\xff"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "cut short": b'{"to": ["a@b.te',
    "nothing": b" ",
    "array": b"[]",
    "nested arrays": b"[[[[1]]]]",
    "string": b'"x"',
    "null": b"null",
    "wrong types": b'{"to": {"a": 1}, "subject": [], "html": 5, "cc": true, "from_": {}, "headers": "x", "tags": {}}',
    "prototype": b'{"__proto__": {"a": 1}, "constructor": 1, "__class__": "x"}',
}


# The reader of JSON, which all routes share, refuses the others before a view has them: a third of them for each route.
REACH_THE_VIEW = {"many keys", "nothing", "array", "string", "null", "wrong types", "prototype"}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_route_breaks_on_a_hostile_body(routes, call, name):
    turn = list(HOSTILE).index(name)
    for number, (method, path) in enumerate(routes):
        if method in {"POST", "PUT", "PATCH"} and (name in REACH_THE_VIEW or (number + turn) % 3 == 0):
            response = call(method, path, HOSTILE[name], Content_Type="application/json")
            # A route that needs no body answers for the object that is not there.
            check_problem(response, 400, 404, 409, 422)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=x"]
)
def test_no_route_takes_another_content_type(routes, call, content_type):
    for method, path in routes:
        if method in {"POST", "PUT", "PATCH"}:
            check_problem(call(method, path, b"a=b", Content_Type=content_type), 415, 404)


HOSTILE_QUERIES = [
    "limit=0",
    "limit=-1",
    "limit=1e9",
    "limit=" + "9" * 4_000,
    "offset=-1",
    "offset=99999999999999999999",
    "limit=%00",
    "q=%00",
    "status=nonsense",
    "to=nobody",
    "created_after=yesterday",
    "after=%00",
    "after=not-an-id",
    "limit=1&limit=2",
    "%00=1",
    "unknown=1",
]


@pytest.mark.parametrize("query", HOSTILE_QUERIES, ids=lambda query: query[:20])
def test_no_route_breaks_on_a_hostile_query(routes, call, query):
    for method, path in routes:
        if method == "GET":
            response = call("GET", f"{path}?{query}")
            assert response.status_code < 500, (path, response.content)
            if response.status_code != 200:
                check_problem(response, 400, 404, 409, 422)


def test_a_path_that_no_route_serves_is_a_404_with_or_without_a_key(api, anonymous):
    for client in (api, anonymous):
        for path in ("/nothing", "/me/x", "/emails/not-an-id", "/emails/%00", "/../me", "/ME"):
            assert check_problem(client.get(path), 404)["code"] == "not_found"


def test_an_unknown_object_is_404_with_one_body_for_all(routes, api, other_api):
    for method, path in routes:
        if ID in path and method in {"GET", "DELETE"} and not path.startswith("/api/v1/admin/"):
            bodies = [check_problem(client.request(method, path), 404) for client in (api, other_api)]
            for body in bodies:
                del body["request_id"]
            assert bodies[0] == bodies[1]


def test_a_method_that_is_not_served_is_405(api):
    response = api.delete("/me")
    check_problem(response, 405)
    assert "GET" in response["Allow"]


def test_the_request_id_comes_back_or_is_made(api):
    assert api.get("/me", X_Request_Id="mine-1")["X-Request-Id"] == "mine-1"
    assert uuid.UUID(api.get("/me")["X-Request-Id"]).version == 7


def test_a_host_that_is_not_ours_is_400(api):
    assert check_problem(api.get("/me", Host="evil.test"), 400)["code"] == "bad_request"


def test_while_the_database_is_away_callers_get_a_retry_response(api, monkeypatch):
    def refuse(*arguments, **options):
        raise OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
        response = api.get("/me")
    assert check_problem(response, 503)["code"] == "database_away"
    assert int(response["Retry-After"]) > 0
