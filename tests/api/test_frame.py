"""Behaviour common to every route of /api/v1, tested on each of them."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import IdempotencyKey
from accounts.requests.recording import write_requests
from messages.models import Recipient
from messages.states import Status, StatusReason
from providers.routing.selection import routes
from tests.api.conftest import EMAIL
from tests.api.test_conventions import list_routes
from tests.architecture.test_tenancy import fill, owned, resource_of  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db
ROUTES = list_routes(fill=lambda part: part)
PATHS = sorted({(method, path.removeprefix("/api/v1")) for method, path in ROUTES})
PUBLIC_IP_URL = "https://93.184.215.14/"

LISTS = (
    "/admin/audit",
    "/admin/keys",
    "/admin/pauses",
    "/admin/projects",
    "/admin/projects/<id:pk>/members",
    "/admin/projects/<id:pk>/streams",
    "/domains",
    "/emails",
    "/emails/<id:pk>/events",
    "/erasures",
    "/events",
    "/providers",
    "/requests",
    "/streams",
    "/suppressions",
    "/templates",
    "/templates/<str:ref>/versions",
    "/webhooks",
    "/webhooks/<id:pk>/deliveries",
)
# A body that each route takes; what is not named takes none.
BODIES: dict[str, Any] = {
    "POST /emails": EMAIL,
    "POST /emails/batch": [EMAIL],
    "POST /emails/<id:pk>/settle": {"as": "failed"},
    "POST /emails/settle": {"ids": ["01a2041b-7a3c-7c52-8f0e-6c2f6a1d3b9e"], "as": "failed"},
    "POST /domains": {"name": "new.test"},
    "POST /providers": {"name": "new", "kind": "simulator"},
    "POST /templates": {"alias": "new", "subject": "Hi", "text": "Hi"},
    "POST /templates/<str:ref>/test": {"to": "a@x.test", "from_": "a@mine.test"},
    "POST /erasures": {"address": "erased@x.test"},
    "POST /webhooks": {"url": PUBLIC_IP_URL, "events": ["*"]},
    "POST /webhooks/<id:pk>/replay": {"since": "2026-01-01T00:00:00Z"},
    "POST /streams": {"name": "new"},
    "POST /suppressions": {"address": "new@x.test"},
    "POST /suppressions/import": {"content_b64": b64encode(b"address,reason\nnew@x.test,manual\n").decode()},
    "POST /admin/projects": {"name": "New"},
    "PUT /admin/projects/<id:pk>": {"name": "Acme"},
    "PUT /admin/projects/<id:pk>/limits": {"messages_per_day": 1000},
    "PUT /admin/projects/<id:pk>/retention": {"bodies": 7},
    "POST /admin/projects/<id:pk>/streams": {"name": "new"},
    "PUT /admin/projects/<id:pk>/members/<str:name>": {"role": "owner"},
    "POST /admin/pauses": {"kind": "recipient_domain", "value": "x.test"},
    "PUT /admin/keys/<id:pk>/limits": {"requests_per_second": 10},
    "PATCH /emails/<id:pk>": {"scheduled_at": (datetime.now(UTC) + timedelta(hours=2)).isoformat()},
    "PATCH /domains/<id:pk>": {"default_from": "a@mine.test"},
    "PATCH /providers/<id:pk>": {"weight": 2},
    "PATCH /templates/<str:ref>": {"text": "Hello"},
    "PATCH /webhooks/<id:pk>": {"description": "Mine"},
}
# Streams and files.
WITHOUT_JSON = ("/events/stream", "/emails/<id:pk>/attachments/<id:attachment_id>", "/emails/<id:pk>/raw")
PREVIEWS = {"/templates/<str:ref>/preview"}
POSTS = [path for method, path in PATHS if method == "POST"]
REPEATABLE = [path for path in POSTS if path not in PREVIEWS]
# Those that make one thing, by the list that it is in.
MAKE_ONE = {
    "/emails": "emails",
    "/emails/<id:pk>/resend": "emails",
    "/templates/<str:ref>/test": "emails",
    "/domains": "domains",
    "/providers": "providers",
    "/templates": "templates",
    "/webhooks": "webhooks",
    "/streams": "streams",
    "/suppressions": "suppressions",
    "/erasures": "erasures",
    "/admin/projects": "admin/projects",
    "/admin/projects/<id:pk>/streams": "admin/projects",
    "/admin/keys": "admin/keys",
    "/admin/keys/<id:pk>/rotate": "admin/keys",
    "/admin/pauses": "admin/pauses",
}
SHOW_SECRETS = (
    "/webhooks",
    "/webhooks/<id:pk>/rotate",
    "/providers",
    "/providers/<id:pk>/pause",
    "/providers/<id:pk>/resume",
    "/admin/keys",
    "/admin/keys/<id:pk>/rotate",
)


@pytest.fixture(autouse=True)
def _any_sender(settings):
    """The project's own provider leads out: without this its mail would need a verified domain."""
    settings.TRUSTED_SENDER_DOMAINS = ["*"]


@pytest.fixture
def client_of(api, admin_api):
    """The client whose key may call a path."""
    return lambda path: admin_api if path.startswith("/admin/") else api


@pytest.fixture
def ask(client_of, owned):  # noqa: F811
    """Calls a route with what its path needs: `ask("GET", "/emails/<id:pk>", "?limit=1")`."""

    def call(method: str, path: str, query: str = "", body: Any = ..., **headers: str) -> Any:
        values = owned.get(resource_of(path), {})
        full = fill(path, values)
        given = BODIES.get(f"{method} {path}") if body is ... else body
        if (method, path) == ("POST", "/admin/keys") and body is ...:
            given = {"project_id": owned["admin/projects"]["pk"], "scopes": ["emails:send"]}
        if (method, path) == ("POST", "/emails/settle") and body is ...:
            given = {"ids": [owned["emails"]["pk"]], "as": "failed"}
        return client_of(path).request(method, f"{full}{query}", given, **headers)

    return call


@pytest.fixture
def undone(subtests, owned) -> Callable[[str], AbstractContextManager[None]]:  # noqa: F811
    """For one route of a test of all: what is done within is taken back, and a failure is the route's alone."""

    @contextmanager
    def begin(path: str) -> Iterator[None]:
        before, point = deepcopy(owned), transaction.savepoint()
        with subtests.test(path=path):
            yield
        transaction.savepoint_rollback(point)
        owned.update(before)
        routes.forget()

    return begin


@pytest.fixture
def ready(api, owned, zone):  # noqa: F811
    """Brings what a POST is about into the state that it needs."""

    def prepare(path: str) -> None:
        pk = owned["emails"]["pk"]
        match path:
            case "/emails/<id:pk>/cancel":
                later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
                owned["emails"]["pk"] = api.post("/emails", {**EMAIL, "scheduled_at": later}).json()["id"]
            case "/emails/<id:pk>/resend":
                Recipient.objects.filter(message_id=pk).move_to(Status.BOUNCED)
            case "/emails/<id:pk>/settle" | "/emails/settle":
                Recipient.objects.filter(message_id=pk).move_to(Status.DELIVERING)
                Recipient.objects.filter(message_id=pk).update(status_reason=StatusReason.UNCERTAIN)
            case "/providers/<id:pk>/check":
                simulated = api.post("/providers", {"name": "simulated", "kind": "simulator"}).json()
                owned["providers"]["pk"] = simulated["id"]

    return prepare


def errors_of(answer):
    assert answer.status_code == 422, (answer.status_code, answer.content)
    return {(error["field"], error["code"]) for error in answer.json()["errors"]}


def test_the_tables_name_routes_that_there_are():
    named = {f"GET {path}" for path in LISTS} | BODIES.keys() | {f"POST {path}" for path in (*MAKE_ONE, *SHOW_SECRETS)}
    assert named <= {f"{method} {path}" for method, path in PATHS}


# What changes nothing is asked of all routes in one test: making one thing of each kind costs more than a request.
def test_what_answers_with_rows_is_a_list_in_the_one_envelope(ask):
    for path in LISTS:
        body = ask("GET", path).json()
        assert body.keys() - {"offset"} == {"data", "has_more", "limit", "next"}, path
        assert ("offset" in body) is (path == "/emails"), path
        assert body["limit"] == 20, path
        assert (body["next"] is None) is (path != "/events"), path
    for path in {path for method, path in PATHS if method == "GET"} - {*LISTS, *WITHOUT_JSON}:
        body = ask("GET", path).json()
        assert path == "/stats" or not isinstance(body.get("data"), list), path


LIMITS = ((0, "min_value"), (101, "max_value"), ("x", "invalid"), ("1.0", "invalid"), ("", "invalid"))


def test_every_list_takes_limit_and_after_and_emails_alone_offset(ask):
    for path in LISTS:
        for limit in (1, 100):
            assert ask("GET", path, f"?limit={limit}").json()["limit"] == limit, path
        for limit, code in LIMITS:
            assert errors_of(ask("GET", path, f"?limit={limit}")) == {("limit", code)}, path
        for after in ("x", "%00"):
            answer = ask("GET", path, f"?after={after}")
            assert (answer.status_code, "after" in answer.content.decode()) == (422, True), path
        if path == "/emails":
            assert ask("GET", path, "?offset=0").status_code == 200
        else:
            assert errors_of(ask("GET", path, "?offset=0")) == {("offset", "unknown_field")}, path


def test_every_list_is_walked_page_by_page_without_a_gap(ask, api, ready, owned, post):  # noqa: F811
    for number in range(2):
        post(subject=f"{number}", to="gone@x.test")
        api.post("/domains", {"name": f"more{number}.test"})
        api.post("/providers", {"name": f"more{number}", "kind": "simulator", "priority": -number})
        api.post("/suppressions", {"address": f"more{number}@x.test"})
        api.post("/erasures", {"address": f"more{number}@y.test"})
        api.post("/templates", {"alias": f"more{number}", "subject": "Hi", "text": "Hi"})
        api.post("/webhooks", {"url": PUBLIC_IP_URL, "events": ["*"]})
        api.post(f"/webhooks/{owned['webhooks']['pk']}/test")
        ref = owned["templates"]["ref"]
        api.patch(f"/templates/{ref}", {"text": f"Hi {number}"})
        api.post(f"/templates/{ref}/publish")
        ask("POST", "/admin/projects", body={"name": f"More {number}"})
        ask("POST", "/admin/pauses", body={"kind": "sender_domain", "value": f"more{number}.test"})
    Recipient.objects.filter(message_id=owned["emails"]["pk"]).move_to(Status.BOUNCED)
    write_requests()
    for path in LISTS:
        whole = ask("GET", path, "?limit=100").json()["data"]
        assert walk(ask, path, len(whole)) == whole, path
        # The feed shows what is committed, and a test commits nothing: tests/api/test_events_feed.py walks it.
        assert len(whole) >= {"/events": 0, "/emails/<id:pk>/events": 1}.get(path, 2), path


def walk(ask, path, most):
    """All rows of a list by pages of one row, `most` of them and one more at most."""
    found, query = [], "?limit=1"
    for _ in range(most + 1):
        page = ask("GET", path, query).json()
        found += page["data"]
        query = f"?limit=1&after={page['next']}"
        if not page["has_more"]:
            break
    return found


def test_an_unknown_parameter_is_refused(ask):
    for method, path in PATHS:
        assert errors_of(ask(method, path, "?limti=1")) >= {("limti", "unknown_field")}, (method, path)


def test_an_unknown_field_is_refused(ask, owned):  # noqa: F811
    for method, path in PATHS:
        if method == "GET":
            continue
        good = BODIES.get(f"{method} {path}")
        if (method, path) == ("POST", "/admin/keys"):
            good = {"project_id": owned["admin/projects"]["pk"], "scopes": []}
        body = [{**EMAIL, "filed": 1}] if isinstance(good, list) else {**(good or {}), "filed": 1}
        field = "[0].filed" if isinstance(good, list) else "filed"
        assert errors_of(ask(method, path, body=body)) == {(field, "unknown_field")}, (method, path)


def test_a_wrong_query_and_a_wrong_body_are_named_together(api):
    answer = api.post("/emails?mode=x", {"to": "a@rcpt.test", "subject": "Hi", "colour": "red", "mode": 1})
    named = sorted(error["field"] for error in answer.json()["errors"])
    assert (answer.status_code, named) == (422, ["colour", "html", "mode", "mode"])


def test_a_wrong_query_is_named_where_the_body_cannot_be_read(api):
    answer = api.post("/emails?mode=x", b"{", Content_Type="application/json")
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["mode"])


def test_options_lists_the_methods_without_a_key(anonymous, owned):  # noqa: F811
    for path in {path for _, path in PATHS}:
        full = fill(path, owned.get(resource_of(path), {}))
        answer = anonymous.request("OPTIONS", full, None, Origin="https://x.test")
        served = {method for method, other in PATHS if other == path}
        assert (answer.status_code, answer.content) == (204, b""), path
        assert served <= set(answer["Allow"].split(", ")), path
        assert not [name for name in answer.headers if name.lower().startswith("access-control")], path


def test_every_post_is_done_once_under_its_key_and_a_refused_one_leaves_it_free(ask, ready, undone):
    for path in REPEATABLE:
        with undone(path):
            ready(path)
            assert ask("POST", path, body={"other": 1}, Idempotency_Key="once").status_code == 422
            assert not IdempotencyKey.objects.exists()
            first = ask("POST", path, Idempotency_Key="once")
            again = ask("POST", path, Idempotency_Key="once")
            assert first.status_code in {200, 201, 202}, first.content
            assert (again.status_code, again.json()) == (first.status_code, first.json())
            assert ("Idempotency-Replayed" in first, again["Idempotency-Replayed"]) == (False, "true")
            assert again.headers.get("Location") == first.headers.get("Location")
            other = ask("POST", path, body={"other": 1}, Idempotency_Key="once")
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("path", sorted(PREVIEWS))
def test_a_preview_takes_no_notice_of_a_key(ask, path):
    for _ in range(2):
        answer = ask("POST", path, Idempotency_Key="once")
        assert (answer.status_code, "Idempotency-Replayed" in answer) == (200, False)


def test_what_is_made_says_where_it_is(ask, client_of, ready, settings, undone):
    for path in POSTS:
        with undone(path):
            ready(path)
            answer = ask("POST", path)
            if path not in MAKE_ONE:
                assert "Location" not in answer
                continue
            start = f"{settings.PUBLIC_URL}/api/v1/{MAKE_ONE[path]}/"
            assert answer["Location"].startswith(start)
            found = client_of(path).get(answer["Location"].removeprefix(settings.PUBLIC_URL))
            assert (found.status_code, found.json()["id"]) == (200, answer.json()["id"])


def test_a_stored_answer_with_a_secret_is_encrypted(ask, api, ready, owned, undone):  # noqa: F811
    body = {"name": "other", "kind": "esp", "settings": {"esp": "postmark", "server_token": "s3cret"}}
    for path in SHOW_SECRETS:
        with undone(path):
            if path.startswith("/providers/"):
                owned["providers"]["pk"] = api.post("/providers", {**body, "name": "esp"}).json()["id"]
            given = {"body": body} if path == "/providers" else {}
            answer = ask("POST", path, **given, Idempotency_Key="once").json()
            secret = answer.get("key") or answer.get("secret") or answer["events_url"].rpartition("/")[2]
            with connection.cursor() as cursor:
                cursor.execute("SELECT row_to_json(k)::text FROM accounts_idempotencykey k")
                stored = cursor.fetchone()[0]
            assert len(secret) > 20
            assert secret not in stored
            assert json.loads(stored)["body"] is None


def test_ids_are_taken_in_any_case(ask, api, owned):  # noqa: F811
    paths = [path for method, path in PATHS if method == "GET" and "<id:pk>" in path]
    lower = [ask("GET", path).status_code for path in paths]
    owned.update({tag: {name: value.upper() for name, value in owned[tag].items()} for tag in owned})
    assert [ask("GET", path).status_code for path in paths] == lower
    assert 404 not in lower


def test_an_id_of_a_template_is_taken_in_any_case(ask, owned):  # noqa: F811
    owned["templates"]["ref"] = owned["templates"]["ref"].upper()
    assert ask("GET", "/templates/<str:ref>").status_code == 200


@pytest.mark.parametrize("since", ["", {}, []])
def test_an_empty_since_does_not_release_all_that_was_ever_held(ask, since):
    answer = ask("POST", "/suppressions/<path:address>/release", body={"resend": True, "since": since})
    assert errors_of(answer) == {("since", "invalid_time")}
    assert ask("GET", "/suppressions/<path:address>").status_code == 200
