"""Commands on projects and API keys."""

import io
import json
from importlib import import_module

import pytest

from accounts.models import ApiKey, AuditEntry, Project, SigningPair
from accounts.services import authenticate_token, create_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keep_the_connection(monkeypatch):
    """Commands close their database connections at the end, and with them a test's transaction."""
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


def run(name, *arguments):
    """Exit status, the items on stdout, and stderr."""
    out, err = io.StringIO(), io.StringIO()
    command = import_module(f"accounts.management.commands.{name}").Command(stdout=out, stderr=err, no_color=True)
    try:
        command.run_from_argv(["manage.py", name, *arguments])
        status = 0
    except SystemExit as end:
        status = end.code
    items = [json.loads(line) for line in out.getvalue().splitlines()] if "--json" in arguments else out.getvalue()
    return status, items, err.getvalue()


def test_a_project_and_its_key_are_made_and_work():
    status, [project], _ = run("create_project", "Acme", "--json")
    assert (status, set(project)) == (0, {"id", "name"})
    status, [key], _ = run("create_api_key", "--project", "Acme", "--scopes", "emails:send, emails:read", "--json")
    assert status == 0
    assert set(key) >= {"id", "key", "prefix", "scopes"}
    assert key["scopes"] == ["emails:read", "emails:send"]
    assert str(authenticate_token(key["key"], None).project_id) == project["id"]
    pair = SigningPair.objects.get(access_key_id=key["aws_access_key_id"])
    assert (str(pair.api_key_id), str(pair.secret)) == (key["id"], key["aws_secret_access_key"])


def test_a_key_takes_every_limit_and_the_only_project(project):
    arguments = ["--test", "--expires", "2999-01-31", "--name", "ci", "--allow-ip", "192.0.2.1", "--allow-ip", "::1"]
    status, [item], _ = run(
        "create_api_key", "--scopes", "stats:read", *arguments, "--allow-recipient", "*@a.test", "--json"
    )
    key = ApiKey.objects.get(pk=item["id"])
    assert (status, key.project, key.name, key.is_test) == (0, project, "ci", True)
    assert (key.allowed_ips, key.allowed_recipients) == (["192.0.2.1/32", "::1/128"], ["*@a.test"])
    assert key.expires_at.isoformat() == "2999-02-01T00:00:00+00:00"
    assert item["key"].startswith("es_test_")


def test_the_project_may_be_named_by_its_id(project, other_project):
    status, [item], _ = run("create_api_key", "--project", str(project.pk), "--scopes", "stats:read", "--json")
    assert (status, ApiKey.objects.get(pk=item["id"]).project) == (0, project)


def test_people_see_the_key_too(project):
    status, text, _ = run("create_api_key", "--scopes", "stats:read")
    assert status == 0
    assert "key=es_live_" in text


def test_keys_are_listed_without_their_secret(project, other_project, api, other_api):
    status, items, _ = run("list_api_keys", "--json")
    assert (status, [item["project"] for item in items]) == (0, ["Other", "Acme"])
    assert api.token not in json.dumps(items)
    assert [item["prefix"] for item in run("list_api_keys", "--project", "Acme", "--json")[1]] == [api.key.prefix]


@pytest.mark.parametrize("by", ["pk", "prefix"])
def test_a_key_is_revoked_by_id_or_prefix(api, by):
    status, [item], _ = run("revoke_api_key", str(getattr(api.key, by)), "--json")
    assert (status, item["prefix"]) == (0, api.key.prefix)
    assert item["revoked_at"]
    assert ApiKey.objects.get().revoked_at is not None
    assert run("list_api_keys", "--active", "--json")[1] == []


def test_actions_are_audited(project):
    run("create_api_key", "--scopes", "stats:read", "--json")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == ("command", "create_api_key")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("create_project", ["Acme"], "already"),
        ("create_project", [""], "name"),
        ("create_project", ["New", "--contact-email", "nobody"], "@"),
        ("create_project", [], "name"),
        ("create_api_key", ["--scopes", "emails:raed"], "emails:raed"),
        ("create_api_key", [], "--scopes"),
        ("create_api_key", ["--scopes", "stats:read", "--project", "Nobody"], "Nobody"),
        ("create_api_key", ["--scopes", "stats:read", "--expires", "2020-01-01"], "future"),
        ("create_api_key", ["--scopes", "stats:read", "--expires", "2999-01-01T00:00:00"], "offset"),
        ("create_api_key", ["--scopes", "stats:read", "--expires", "9999-12-31"], "--expires"),
        ("create_api_key", ["--scopes", "stats:read", "--allow-ip", "here"], "here"),
        ("create_api_key", ["--scopes", "stats:read", "--allow-recipient", "*"], "*"),
        ("create_api_key", ["--scopes", "stats:read", "--name", "n" * 200], "name"),
        ("revoke_api_key", ["es_live_nothing"], "key does not exist"),
        ("revoke_api_key", ["01890a5d-ac96-774b-bcce-b302099a8057"], "key does not exist"),
    ],
)
def test_each_mistake_is_one_line_and_changes_nothing(project, name, arguments, words):
    status, out, err = run(name, *arguments)
    assert status != 0
    assert out == ""
    assert err.count("\n") == 1
    assert words in err
    assert (Project.objects.count(), ApiKey.objects.count()) == (1, 0)


def test_a_project_must_be_named_if_there_are_several_and_created_if_there_is_none(db):
    assert "Create one" in run("create_api_key", "--scopes", "stats:read")[2]
    create_project(name="A")
    create_project(name="B")
    assert "--project" in run("create_api_key", "--scopes", "stats:read")[2]


def test_a_project_allows_control_headers(project):
    status, [item], _ = run("set_project", "--allow-headers", "X-SMTPAPI, X-MC-*", "--json")
    project.refresh_from_db()
    assert (status, item["allowed_headers"]) == (0, ["X-SMTPAPI", "X-MC-*"])
    assert project.allowed_headers == ["X-SMTPAPI", "X-MC-*"]
    assert AuditEntry.objects.get(action="set_project").data["allowed_headers"] == ["X-SMTPAPI", "X-MC-*"]
    assert run("set_project", "--json")[1][0]["allowed_headers"] == ["X-SMTPAPI", "X-MC-*"]
    status, _, error = run("set_project", "--allow-headers", "X:Y")
    assert status != 0
    assert "X:Y" in error
    run("set_project", "--allow-headers", "")
    project.refresh_from_db()
    assert project.allowed_headers == []


def test_a_key_of_the_installation_is_made_by_the_command_alone(project):
    status, [item], _ = run("create_api_key", "--scopes", "admin", "--why", "terraform", "--json")
    key = ApiKey.objects.get(pk=item["id"])
    assert (status, key.project, key.scopes) == (0, None, ["admin"])
    entry = AuditEntry.objects.get(action="create_api_key")
    assert (entry.actor, entry.reason, entry.project_id) == ("command", "terraform", None)
    assert entry.origin.startswith("uid ")
    assert [row["project"] for row in run("list_api_keys", "--json")[1]] == [None]


@pytest.mark.parametrize("wrong", [["--project", "Acme"], ["--test"]])
def test_a_key_of_the_installation_is_neither_a_projects_nor_a_test_key(project, wrong):
    assert run("create_api_key", "--scopes", "admin", *wrong)[0] != 0
    assert run("create_api_key", "--scopes", "admin,emails:send")[0] != 0
    assert not ApiKey.objects.exists()


def test_a_project_gets_turns_by_weight_and_may_send_critical_mail(project):
    status, [item], _ = run("set_project", "--turn-weight", "4", "--critical", "yes", "--json")
    project.refresh_from_db()
    assert (status, item["turn_weight"], item["may_send_critical"]) == (0, 4, True)
    assert (project.turn_weight, project.may_send_critical) == (4, True)
    assert AuditEntry.objects.filter(action="set_project").count() == 2
    run("set_project", "--critical", "no")
    project.refresh_from_db()
    assert (project.turn_weight, project.may_send_critical) == (4, False)


@pytest.mark.parametrize("weight", ["0", "101", "-1", "many"])
def test_a_weight_out_of_range_is_refused(project, weight):
    status, _, error = run("set_project", "--turn-weight", weight)
    assert status != 0
    assert weight in error
    project.refresh_from_db()
    assert project.turn_weight == 1
