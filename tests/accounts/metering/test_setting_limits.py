"""Limits are set by commands and in the admin, and recorded."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.installation.limits import DEFAULT_LIMITS, LimitValues, find_limits
from accounts.models import ApiKey, AuditEntry, Project
from accounts.services import create_api_key, create_project

pytestmark = pytest.mark.django_db


def run(*words: str) -> Any:
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_limits_that_are_not_named_stay(project: Project) -> None:
    shown = run("set_limits", "--project", "Acme", "--messages-per-day", "10")
    assert (shown["messages_per_day"], shown["requests_per_second"]) == (10, 5_000)
    run("set_limits", "--project", "Acme", "--requests-per-second", "none", "--messages-per-month", "200")
    assert find_limits(project) == LimitValues(messages_per_second=50_000, messages_per_day=10, messages_per_month=200)
    assert AuditEntry.objects.filter(action="set_limits").count() == 2
    assert run("set_limits", "--project", "Acme")["messages_per_day"] == 10
    assert AuditEntry.objects.filter(action="set_limits").count() == 2


def test_a_key_is_named_by_its_prefix(project: Project) -> None:
    key, _ = create_api_key(project, scopes=[])
    run("set_limits", "--key", key.prefix, "--requests-per-second", "5")
    assert find_limits(key).requests_per_second == 5
    assert find_limits(project) == DEFAULT_LIMITS


@pytest.mark.parametrize(
    "words",
    [
        ("--messages-per-day", "0"),
        ("--messages-per-day", "-1"),
        ("--messages-per-day", "many"),
        ("--requests-per-second", "3000000000"),
        ("--key", "es_live_nothing"),
        ("--key", "es_live_nothing", "--project", "Acme"),
    ],
    ids=" ".join,
)
def test_nonsense_is_refused(project: Project, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run("set_limits", *words)
    assert find_limits(project) == DEFAULT_LIMITS


def test_without_a_name_there_has_to_be_one_project(project: Project) -> None:
    assert run("set_limits", "--messages-per-day", "3")["messages_per_day"] == 3
    create_project(name="Second")
    with pytest.raises(CommandError):
        run("set_limits", "--messages-per-day", "3")


def test_a_key_is_made_with_limits(project: Project) -> None:
    made = run("create_api_key", "--scopes", "emails:send", "--messages-per-day", "7")
    assert find_limits(ApiKey.objects.get(pk=made["id"])).messages_per_day == 7
    with pytest.raises(CommandError):
        run("create_api_key", "--scopes", "emails:send", "--messages-per-day", "x")
    assert ApiKey.objects.count() == 1


def test_limits_are_set_in_the_admin(project: Project, client: Client) -> None:
    client.force_login(get_user_model().objects.create_superuser("root"))
    values = {"project": str(project.pk), "messages_per_day": "12", "requests_per_second": ""}
    answer = client.post("/admin/accounts/projectlimits/add/", values)
    assert answer.status_code == 302, answer.content
    assert find_limits(project) == LimitValues(messages_per_day=12)
    assert AuditEntry.objects.get(action="set_limits").actor == "root"
    answer = client.post(f"/admin/accounts/projectlimits/{project.pk}/change/", {"messages_per_day": "13"})
    assert answer.status_code == 302, answer.content
    assert find_limits(project).messages_per_day == 13
    assert client.get("/admin/accounts/projectlimits/").status_code == 200
    assert client.get("/admin/accounts/keylimits/").status_code == 200
