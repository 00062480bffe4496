"""Erasures in the admin: asked for by operators of the project, and kept as their proof."""

from typing import Any

import pytest

from accounts.models import AuditEntry, Project
from accounts.people.roles import Role
from accounts.people.services import create_user, give_role
from messages.lifetimes.erasures import run_erasures
from messages.models import Erasure, Recipient
from tests.admin.people import log_in
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
ADD, LIST = "/admin/mail/erasure/add/", "/admin/mail/erasure/"
EMAIL = {"from_": "shop@mine.test", "to": "jo@rcpt.test", "subject": "Hi", "text": "Hello."}


def staff(project: Project, role: Role) -> Any:
    user = create_user(name=f"their-{role}", password=None)
    give_role("test", user, project, role)
    return log_in(user)


def test_an_operator_erases_a_person_and_reads_the_proof(api: ApiClient, project: Project) -> None:
    api.post("/emails", EMAIL)
    browser = staff(project, Role.OPERATOR)
    form = {"project": str(project.pk), "person_address": "JO@rcpt.test"}
    assert b"This field is required" in browser.post(ADD, form).content
    assert browser.post(ADD, {**form, "is_sure": "on"})["Location"] == LIST
    run_erasures()
    row = Erasure.objects.get()
    assert (row.status, row.requested_by, row.project) == ("done", "their-operator", project)
    assert not Recipient.objects.filter(address__icontains="jo@").exists()
    assert AuditEntry.objects.get(action="create_erasure").actor == "their-operator"
    for path in (LIST, f"{LIST}{row.pk}/change/"):
        page = browser.get(path).content.decode()
        assert row.address_hash in page
        assert "jo@rcpt.test" not in page.lower()
    assert browser.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_what_is_no_address_or_of_another_project_erases_nothing(project: Project, other_project: Project) -> None:
    browser = staff(project, Role.OWNER)
    sure = {"is_sure": "on", "project": str(project.pk)}
    for form in (
        {**sure, "person_address": "jo@"},
        {**sure, "person_address": "jo@x.test", "project": str(other_project.pk)},
    ):
        assert b"errornote" in browser.post(ADD, form).content
    assert not Erasure.objects.exists()


def test_developers_and_support_erase_nobody(project: Project) -> None:
    for role in (Role.DEVELOPER, Role.SUPPORT):
        browser = staff(project, role)
        assert [browser.get(path).status_code for path in (LIST, ADD)] == [403, 403]


def test_an_operator_of_the_project_sets_its_retention(project: Project, other_project: Project) -> None:
    browser = staff(project, Role.OPERATOR)
    form = {"project": str(project.pk), "bodies": "7"}
    assert browser.post("/admin/accounts/retention/add/", form).status_code == 302
    assert project.retention.bodies == 7
    assert browser.post("/admin/accounts/retention/add/", {**form, "project": str(other_project.pk)}).status_code == 200
    assert not hasattr(Project.objects.get(pk=other_project.pk), "retention")
