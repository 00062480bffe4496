"""Every detail route and verb answers 404 for another project's object, with the same body as for an unknown one."""

import uuid
from base64 import b64encode

import pytest
from django.db import connection, transaction
from django.db.models import ProtectedError, RestrictedError

from accounts.people.roles import Role
from accounts.people.services import create_user, give_role
from accounts.viewsets import ApiViewSet
from messages.models import Pause
from tests.api.conftest import EMAIL
from tests.api.test_conventions import list_routes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("caching")]
# What a verb needs so that it is not refused for its body first.
BODIES = {"POST": {}, "PATCH": {}, "PUT": {}}
# A change of an object of each resource that takes one.
CHANGES = {
    "emails": {"scheduled_at": "2030-01-01T00:00:00Z"},
    "domains": {"default_from": None},
    "providers": {"weight": 2},
    "templates": {"text": "Ho"},
    "webhooks": {"description": "x"},
}
# Shared providers are seen by all; events and lists have no parameter.
FILE = {"filename": "a", "content_type": "text/plain", "content_b64": b64encode(b"a").decode()}


def resource_of(path: str) -> str:
    """The resource of a path below /api/v1, as `owned` names it: `emails`, `admin/keys`."""
    parts = path.removeprefix("/api/v1").split("/")
    return "/".join(parts[1:3]) if parts[1] == "admin" else parts[1]


@pytest.fixture
def owned(api, project, make_api) -> dict[str, dict[str, str]]:
    """One object of each resource of `api`'s project: the parameters of its paths, by the first part of the path."""
    email = api.post("/emails", {**EMAIL, "attachments": [FILE]}).json()
    template = api.post("/templates", {"alias": "mine", "name": "T", "subject": "Hi", "text": "Hi"}).json()
    domain = api.post("/domains", {"name": "mine.test"}).json()
    provider = api.post("/providers", {"name": "mine", "url": "smtp://relay.mine.test"}).json()
    webhook = api.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]}).json()
    api.post("/suppressions", {"address": "mine@x.test"})
    stream = api.post("/streams", {"name": "mine"}).json()
    for name in ("mine", "mine-too"):
        give_role("test", create_user(name=name, password=None), project, Role.SUPPORT)
    erasure = api.post("/erasures", {"address": "mine@y.test"}).json()
    return {
        "emails": {"pk": email["id"], "attachment_id": email["attachments"][0]["id"]},
        "templates": {"ref": template["id"]},
        "domains": {"pk": domain["id"]},
        "providers": {"pk": provider["id"]},
        "webhooks": {"pk": webhook["id"]},
        "suppressions": {"address": "mine@x.test"},
        "streams": {"ref": stream["id"]},
        "erasures": {"pk": erasure["id"]},
        "admin/projects": {"pk": str(project.pk), "ref": stream["id"], "name": "mine"},
        "admin/keys": {"pk": str(make_api(scopes=[]).key.pk)},
        "admin/pauses": {"pk": str(Pause.objects.create(project=project, kind="tag", value="mine").pk)},
    }


def fill(path: str, values: dict[str, str]) -> str:
    parts = [values[part[1:-1].rpartition(":")[2]] if part.startswith("<") else part for part in path.split("/")]
    return "/".join(parts)


def project_routes() -> list[tuple[str, str]]:
    return [route for route in list_routes(fill=lambda part: part) if not route[1].startswith("/api/v1/admin/")]


def detail_routes() -> list[tuple[str, str]]:
    return [(method, path) for method, path in project_routes() if "<" in path]


def ask(client, method, path):
    return client.request(method, path, BODIES.get(method), X_Request_Id="same")


def test_every_resource_with_details_is_looked_at(owned):
    assert {resource_of(path) for _, path in list_routes(fill=lambda part: part) if "<" in path} <= owned.keys()


def test_anothers_object_is_answered_as_one_that_does_not_exist(owned, other_api):
    for method, path in detail_routes():
        values = owned[resource_of(path)]
        nobodys = {name: "nobody@x.test" if name == "address" else str(uuid.uuid4()) for name in values}
        answers = [ask(other_api, method, fill(path, each)) for each in (values, nobodys)]
        assert [answer.status_code for answer in answers] == [404, 404], (method, path, answers[0].content)
        assert answers[0].content == answers[1].content, (method, path)


def test_the_owner_is_answered_otherwise(owned, api):
    """Else the test above would prove nothing."""
    # Reading first, since some verbs remove what the next would ask for. Two would speak with the network.
    for method, path in sorted(detail_routes(), key=lambda route: (route[0] == "DELETE", route[0] != "GET")):
        if not path.endswith(("/verify", "/check", "/release")):
            answer = ask(api, method, fill(path, owned[resource_of(path)]))
            assert answer.status_code != 404, (method, path)


def test_an_object_that_goes_while_a_request_is_at_it_is_404_and_no_failure(owned, api, monkeypatch):
    """Another request deletes it after this one has read it: what then fails in the database is not ours to mend."""
    read, gone = ApiViewSet.get_object, []

    def lose(view):
        found = read(view)
        try:
            type(found)._base_manager.select_for_update(of=["self"]).get(pk=found.pk).delete()
        except (ProtectedError, RestrictedError):
            return found
        gone.append(view.request.method)
        return found

    monkeypatch.setattr(ApiViewSet, "get_object", lose)
    for method, path in detail_routes():
        # These two would speak with the network.
        if not path.endswith(("/verify", "/check")):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                body = CHANGES.get(resource_of(path)) if method == "PATCH" else BODIES.get(method)
                answer = api.request(method, fill(path, owned[resource_of(path)]), body)
                assert answer.status_code < 500, (method, path)
                transaction.set_rollback(True)
    assert set(gone) == {"GET", "POST", "PATCH", "DELETE"}


def test_the_management_api_is_closed_to_keys_of_projects(owned, api):
    for method, path in list_routes(fill=lambda part: part):
        if path.startswith("/api/v1/admin/"):
            answer = ask(api, method, fill(path, owned.get(resource_of(path), {})))
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope"), (method, path)


def test_a_key_of_the_installation_serves_the_management_api_alone(owned, admin_api):
    for method, path in project_routes():
        if path != "/api/v1/me":
            answer = ask(admin_api, method, fill(path, owned.get(resource_of(path), {})))
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope"), (method, path)
