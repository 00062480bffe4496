"""Tests of providers: how many run at the same time."""

from typing import Any

import pytest

from ledger.shares import ProjectSlots
from providers import connection_test
from providers.models import Provider, ProviderKind

pytestmark = pytest.mark.django_db


def add_simulator(project: Any) -> Provider:
    return Provider.objects.create(project=project, name="own", kind=ProviderKind.SIMULATOR, url="simulator:")


def test_a_project_tests_so_many_at_once_and_others_test_theirs(
    api: Any, other_api: Any, project: Any, other_project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = ProjectSlots(3, 2)
    monkeypatch.setattr(connection_test, "slots", slots)
    mine, theirs = add_simulator(project), add_simulator(other_project)
    assert [slots.acquire(project.pk) for _ in range(2)] == [True, True]
    refused = api.post(f"/providers/{mine.pk}/check")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_checks")
    assert refused["Retry-After"] == "10"
    assert other_api.post(f"/providers/{theirs.pk}/check").json()["ok"] is True
    slots.release(project.pk)
    assert api.post(f"/providers/{mine.pk}/check").json()["ok"] is True
    # A test gives its place back.
    assert api.post(f"/providers/{mine.pk}/check").json()["ok"] is True
