"""The admin's pages on streams."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Project, Stream
from tests.admin.people import log_in

LIST = reverse("admin:accounts_stream_changelist")


@pytest.fixture
def admin(db: None) -> Client:
    return log_in(User.objects.create_superuser("root"))


def test_a_stream_is_made_and_deleted_but_never_changed(admin: Client, project: Project) -> None:
    values = {"project": str(project.pk), "name": "news", "type": "broadcast"}
    add = reverse("admin:accounts_stream_add")
    for wrong in ("News", "all", "default"):
        assert admin.post(add, {**values, "name": wrong}).status_code == 200
    assert admin.post(add, values).status_code == 302
    row = Stream.objects.get(name="news")
    assert row.type == "broadcast"
    listed = admin.get(LIST).content.decode()
    assert "news" in listed
    page = reverse("admin:accounts_stream_change", args=[row.pk])
    assert admin.get(page).status_code == 200
    assert admin.post(page, {**values, "type": "transactional"}).status_code == 403
    admin.post(reverse("admin:accounts_stream_delete", args=[row.pk]), {"post": "yes"})
    assert list(Stream.objects.values_list("name", flat=True)) == ["default"]
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["create_stream", "delete_stream"]


def test_the_default_stream_and_one_with_mail_on_its_way_stay(admin: Client, project: Project, send) -> None:  # type: ignore[no-untyped-def]
    made = Stream.objects.create(project=project, name="digest")
    send(stream="digest")
    for row in (made, project.streams.get(name="default")):
        answer = admin.post(reverse("admin:accounts_stream_delete", args=[row.pk]), {"post": "yes"})
        assert answer.status_code == 403
    assert Stream.objects.count() == 2


def test_a_project_made_here_has_the_default_stream(admin: Client) -> None:
    admin.post(reverse("admin:accounts_project_add"), {"name": "New", "default_from": "", "contact_email": ""})
    assert Stream.objects.get().project.name == "New"
