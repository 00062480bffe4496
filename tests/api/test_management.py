"""/api/v1/admin: projects, keys, limits and the audit log, for keys of the installation."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.installation.limits import LimitValues, find_limits
from accounts.models import ApiKey, AuditEntry, IdempotencyKey, Project
from accounts.people.services import create_user
from accounts.scopes import ADMIN, EMAILS_SEND
from accounts.services import InstallationKeyError, create_api_key
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


def outcome(answer):
    return answer.status_code, answer.json()["code"]


def test_a_key_of_the_installation_has_no_project_and_sees_itself(admin_api):
    body = admin_api.get("/me").json()
    assert (body["project"], body["key"]["scopes"]) == (None, ["admin"])
    assert outcome(admin_api.post("/emails", {"to": "a@x.test"})) == (403, "missing_scope")
    assert outcome(admin_api.get("/emails", Authorization=f"Bearer {admin_api.token}")) == (403, "missing_scope")


@pytest.mark.parametrize("wrong", [{"scopes": [ADMIN, EMAILS_SEND]}, {"scopes": [ADMIN], "is_test": True}])
def test_such_a_key_has_no_other_scope_and_is_no_test_key(project, wrong):
    for owner in (None, project):
        with pytest.raises(InstallationKeyError):
            create_api_key(owner, **wrong)
    with pytest.raises(InstallationKeyError):
        create_api_key(project, scopes=[ADMIN])
    with pytest.raises(InstallationKeyError):
        create_api_key(None, scopes=[EMAILS_SEND])


def test_the_database_ties_the_scope_to_the_missing_project(admin_api, api_key, project):
    for pk, values in ((admin_api.key.pk, {"project": project}), (api_key.pk, {"project": None})):
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.filter(pk=pk).update(**values)


def test_no_api_makes_a_key_of_the_installation(admin_api, project):
    answer = admin_api.post("/admin/keys", {"project_id": str(project.pk), "scopes": ["admin"]})
    assert outcome(answer) == (422, "invalid_choice")
    assert outcome(admin_api.post("/admin/keys", {"scopes": ["emails:send"]})) == (422, "required")
    assert outcome(admin_api.post(f"/admin/keys/{admin_api.key.pk}/rotate")) == (409, "key_of_installation")


def test_its_idempotency_keys_are_the_installations(admin_api, api, post):
    post(subject="Hi")
    api.post("/domains", {"name": "a.test"}, Idempotency_Key="one")
    first = admin_api.post("/admin/projects", {"name": "New"}, Idempotency_Key="one")
    _, token = create_api_key(None, scopes=[ADMIN])
    again = ApiClient(token).post("/admin/projects", {"name": "New"}, Idempotency_Key="one")
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again["Idempotency-Replayed"] == "true"
    assert set(IdempotencyKey.objects.values_list("project", flat=True)) == {None, api.key.project_id}
    assert (
        outcome(admin_api.post("/admin/projects", {"name": "B"}, Idempotency_Key="one"))[1] == "idempotency_key_reused"
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        IdempotencyKey.objects.create(project=None, key="one", fingerprint=b"")


def test_a_put_gives_a_project_all_its_settings_and_again_changes_nothing(admin_api, project):
    path = f"/admin/projects/{project.pk}"
    whole = {
        "name": "Shop",
        "contact_email": "ops@shop.test",
        "default_from": "Shop <mail@shop.test>",
        "allowed_headers": ["X-MC-*"],
        "link_schemes": ["myapp"],
    }
    first, again = admin_api.put(path, whole), admin_api.put(path, whole)
    assert first.status_code == 200, first.content
    assert first.json() == again.json() == admin_api.get(path).json() == {**first.json(), **whole}
    assert admin_api.put(path, {"name": "Shop"}).json()["contact_email"] == ""
    assert outcome(admin_api.put(f"/admin/projects/{NOBODY}", whole)) == (404, "not_found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a\x00b"),
        ("name", "n" * 101),
        ("contact_email", "nobody"),
        ("default_from", "a@b.test\r\nBcc: c@d.test"),
        ("allowed_headers", ["X Y"]),
        ("link_schemes", ["javascript"]),
        ("link_schemes", "myapp"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_stored(admin_api, project, field, value):
    for answer in (
        admin_api.post("/admin/projects", {"name": "New", field: value}),
        admin_api.put(f"/admin/projects/{project.pk}", {"name": "New", field: value}),
    ):
        assert answer.status_code == 422, answer.content
        assert answer.json()["errors"] == [] or answer.json()["errors"][0]["field"].startswith(field)
    assert list(Project.objects.values_list("name", flat=True)) == ["Acme"]


def test_two_projects_have_no_name_in_common(admin_api, project, other_project):
    assert outcome(admin_api.post("/admin/projects", {"name": "Acme"})) == (409, "project_exists")
    assert outcome(admin_api.put(f"/admin/projects/{other_project.pk}", {"name": "Acme"})) == (409, "project_exists")


def test_a_made_key_works_and_its_text_is_kept_encrypted_alone(admin_api, project):
    values = {"project_id": str(project.pk), "name": "ci", "scopes": ["emails:send"], "allowed_ips": ["127.0.0.1"]}
    body = admin_api.post("/admin/keys", values, Idempotency_Key="once").json()
    assert ApiClient(body["key"]).get("/me").json()["project"]["id"] == str(project.pk)
    assert body["allowed_ips"] == ["127.0.0.1/32"]
    assert "key" not in admin_api.get(f"/admin/keys/{body['id']}").json()
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(row_to_json(k)::text, '') FROM accounts_idempotencykey k")
        assert body["key"] not in cursor.fetchone()[0]
    assert outcome(admin_api.post("/admin/keys", {**values, "project_id": NOBODY})) == (422, "unknown_project")


def test_a_rotated_key_works_on_until_its_overlap_is_over(admin_api, make_api):
    old = make_api(name="ci", scopes=["emails:send"], allowed_recipients=["*@a.test"])
    path = f"/admin/keys/{old.key.pk}"
    admin_api.put(f"{path}/limits", {"messages_per_day": 7})
    answer = admin_api.post(f"{path}/rotate", {"overlap_seconds": 3600})
    new = answer.json()
    assert (answer.status_code, new["name"], new["scopes"], new["allowed_recipients"]) == (
        *(201, "ci", ["emails:send"], ["*@a.test"]),
    )
    assert admin_api.get(f"/admin/keys/{new['id']}/limits").json()["messages_per_day"] == 7
    assert old.get("/me").status_code == ApiClient(new["key"]).get("/me").status_code == 200
    shown = admin_api.get(path).json()
    assert shown["replaced_by"] == new["id"]
    ApiKey.objects.filter(pk=old.key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert outcome(old.get("/me")) == (401, "key_expired")
    assert outcome(admin_api.post(f"{path}/rotate")) == (409, "key_replaced")


def test_a_key_without_overlap_ends_at_once_and_an_ended_one_is_not_rotated(admin_api, make_api):
    old, revoked = make_api(), make_api()
    assert admin_api.post(f"/admin/keys/{old.key.pk}/rotate").status_code == 201
    assert outcome(old.get("/me")) == (401, "key_expired")
    assert admin_api.post(f"/admin/keys/{revoked.key.pk}/revoke").json()["revoked_at"]
    assert outcome(revoked.get("/me")) == (401, "key_revoked")
    assert outcome(admin_api.post(f"/admin/keys/{revoked.key.pk}/rotate")) == (409, "key_not_active")
    for wrong in (-1, 31 * 86_400, "1", True):
        assert admin_api.post(f"/admin/keys/{NOBODY}/rotate", {"overlap_seconds": wrong}).status_code in {404, 422}


def test_limits_are_replaced_whole_and_null_is_none(admin_api, project, api_key):
    for path, owner in ((f"/admin/projects/{project.pk}", project), (f"/admin/keys/{api_key.pk}", api_key)):
        values = {"requests_per_second": 5, "messages_per_second": None, "messages_per_day": 10**9}
        body = admin_api.put(f"{path}/limits", values).json()
        assert body == {**values, "messages_per_month": None} == admin_api.get(f"{path}/limits").json()
        assert find_limits(owner) == LimitValues(requests_per_second=5, messages_per_day=10**9)
        assert admin_api.put(f"{path}/limits", {"messages_per_month": 3}).json()["requests_per_second"] is None
        for wrong in (0, -1, 2**31, "5", 1.5, True):
            answer = admin_api.put(f"{path}/limits", {"requests_per_second": wrong})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "requests_per_second"), wrong
    assert AuditEntry.objects.filter(action="set_limits", project=project).count() == 4


def test_a_change_is_recorded_with_its_actor_origin_and_reason(admin_api, api, project):
    domain = api.post("/domains", {"name": "a.test"}, Audit_Reason="ticket 7", X_Forwarded_For="192.0.2.1").json()
    api.patch(f"/domains/{domain['id']}", {"default_from": "a@a.test"})
    api.delete(f"/domains/{domain['id']}")
    rows = admin_api.get(f"/admin/audit?project_id={project.pk}").json()["data"]
    assert [row["action"] for row in rows] == ["delete_domain", "change_domain", "create_domain"]
    assert {(row["actor"], row["object"], row["origin"]) for row in rows} == {(api.key.prefix, "a.test", "127.0.0.1")}
    assert [row["reason"] for row in rows] == ["", "", "ticket 7"]
    assert (rows[1]["data"]["fields"], rows[2]["data"]["id"]) == (["default_from"], domain["id"])


def test_what_is_refused_replayed_or_only_read_is_not_recorded(api):
    api.post("/domains", {"name": "a.test", "more": 1})
    for _ in range(2):
        api.post("/domains", {"name": "a.test"}, Idempotency_Key="one")
    api.get("/domains")
    api.post("/emails", {"from_": "a@a.test", "to": "b@x.test", "subject": "Hi", "text": "Hi"})
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["create_domain"]


def test_the_audit_log_is_filtered_by_each_part(admin_api, project, other_project):
    admin_api.put(f"/admin/projects/{project.pk}", {"name": "Shop"})
    admin_api.post(f"/admin/projects/{other_project.pk}/streams", {"name": "news"}, Audit_Reason="é" * 600)
    later = (timezone.now() + timedelta(minutes=1)).isoformat().replace("+", "%2B")
    for query, actions in {
        "action=change_project": ["change_project"],
        f"project_id={other_project.pk}": ["create_stream"],
        f"actor={admin_api.key.prefix}": ["create_stream", "change_project"],
        "object=Shop": ["change_project"],
        f"since={later}": [],
        f"until={later}": ["create_stream", "change_project"],
    }.items():
        assert [row["action"] for row in admin_api.get(f"/admin/audit?{query}").json()["data"]] == actions, query
    assert admin_api.get("/admin/audit?since=yesterday").status_code == 422


def test_streams_of_a_project_are_managed_by_id_or_name(admin_api, project):
    path = f"/admin/projects/{project.pk}/streams"
    made = admin_api.post(path, {"name": "news", "type": "broadcast"})
    assert made["Location"].endswith(f"{path}/{made.json()['id']}")
    assert admin_api.get(f"{path}/news").json() == made.json()
    assert {row["name"] for row in admin_api.get(path).json()["data"]} == {"default", "news"}
    assert admin_api.delete(f"{path}/news").status_code == 204
    assert admin_api.get(f"{path}/news").status_code == 404
    for method in ("GET", "POST"):
        answer = admin_api.request(
            method, f"/admin/projects/{NOBODY}/streams", {"name": "x"} if method == "POST" else None
        )
        assert outcome(answer) == (404, "not_found")


def test_retention_is_replaced_whole_and_null_keeps_for_good(admin_api, project):
    path = f"/admin/projects/{project.pk}/retention"
    default = admin_api.get(path).json()
    assert (default["bodies"], default["messages"], default["statistics"]) == (30, 90, 730)
    changed = {**default, "bodies": 7, "audit": None}
    for _ in range(2):
        assert admin_api.put(path, {"bodies": 7, "audit": None}).json() == changed == admin_api.get(path).json()
    for wrong in (-1, 36_501, "7", True):
        answer = admin_api.put(path, {"bodies": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "bodies")
    assert admin_api.put(path, {}).json() == default
    assert AuditEntry.objects.filter(action="set_retention", project=project).count() == 3


def test_members_are_listed_given_roles_and_taken_out(admin_api, project, other_project):
    for name in ("ann", "bob"):
        create_user(name=name, email=f"{name}@x.test", password=None)
    path = f"/admin/projects/{project.pk}/members"
    first, again = [admin_api.put(f"{path}/ann", {"role": role}) for role in ("support", "owner")]
    assert (first.status_code, again.status_code) == (200, 200)
    shown = again.json()
    assert {key: shown[key] for key in ("name", "email", "role")} == {
        "name": "ann",
        "email": "ann@x.test",
        "role": "owner",
    }
    admin_api.put(f"/admin/projects/{other_project.pk}/members/bob", {"role": "support"})
    assert [row["name"] for row in admin_api.get(path).json()["data"]] == ["ann"]
    assert outcome(admin_api.put(f"{path}/nobody", {"role": "support"})) == (404, "unknown_user")
    assert outcome(admin_api.put(f"{path}/bob", {"role": "king"})) == (422, "invalid_choice")
    assert admin_api.put(f"/admin/projects/{NOBODY}/members/ann", {"role": "owner"}).status_code == 404
    assert admin_api.delete(f"{path}/bob").status_code == 404
    assert admin_api.delete(f"{path}/ann").status_code == 204
    assert admin_api.get(path).json()["data"] == []
    entries = AuditEntry.objects.filter(object="ann", project=project).order_by("id")
    assert list(entries.values_list("actor", "action")) == [
        (admin_api.key.prefix, action) for action in ("give_role", "give_role", "take_role")
    ]
