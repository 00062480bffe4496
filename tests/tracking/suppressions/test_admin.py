"""The admin's pages on suppressions."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Project
from tracking.models import Suppression
from tracking.suppressions.service import Entry, suppress

LIST = "admin:tracking_suppression_changelist"
ADD = "admin:tracking_suppression_add"


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def admin(db: None) -> Client:
    return log_in(User.objects.create_superuser("root"))


def test_an_address_is_put_on_the_list(admin: Client, project: Project) -> None:
    values = {"project": str(project.pk), "address": "Ann@Example.com", "reason": "manual", "note": "asked"}
    assert admin.post(reverse(ADD), values).status_code == 302
    row = Suppression.objects.get()
    assert (row.address, row.reason, row.note) == ("ann@example.com", "manual", "asked")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.object) == ("suppress", "root", "ann@example.com")
    for wrong in ("nope", "ann@example.com"):
        assert admin.post(reverse(ADD), {**values, "address": wrong}).status_code == 200
    assert Suppression.objects.count() == 1


def test_an_entry_of_a_test_key_is_another_one(admin: Client, project: Project) -> None:
    suppress(project.pk, Entry(address="ann@example.com", reason="manual"), is_test=True)
    values = {"project": str(project.pk), "address": "ann@example.com", "reason": "manual", "note": ""}
    assert admin.post(reverse(ADD), values).status_code == 302
    test_row = Suppression.objects.get(is_test=True)
    delete = reverse("admin:tracking_suppression_delete", args=[test_row.pk])
    assert admin.post(delete, {"post": "yes"}).status_code == 302
    assert [row.is_test for row in Suppression.objects.all()] == [False]


def test_an_entry_is_looked_at_and_taken_off_but_never_changed(admin: Client, project: Project) -> None:
    row, _ = suppress(project.pk, Entry(address="ann@example.com", reason="bounce"))
    suppress(project.pk, Entry(address="bob@example.com", reason="bounce"))
    found = admin.get(reverse(LIST), {"q": "ann@"}).content.decode()
    assert "ann@example.com" in found
    assert "bob@example.com" not in found
    url = reverse("admin:tracking_suppression_change", args=[row.pk])
    assert admin.get(url).status_code == 200
    assert admin.post(url, {"reason": "manual"}).status_code == 403
    admin.post(reverse("admin:tracking_suppression_delete", args=[row.pk]), {"post": "yes"})
    assert list(Suppression.objects.values_list("address", flat=True)) == ["bob@example.com"]
    assert AuditEntry.objects.get().action == "release"


def test_several_are_taken_off_at_once(admin: Client, project: Project) -> None:
    rows = [suppress(project.pk, Entry(address=f"a{number}@x.test", reason="bounce"))[0] for number in range(3)]
    chosen = {"action": "delete_selected", "_selected_action": [str(row.pk) for row in rows[:2]], "post": "yes"}
    admin.post(reverse(LIST), chosen)
    assert Suppression.objects.count() == 1
    assert AuditEntry.objects.count() == 2


def test_support_without_the_permission_takes_nothing_off(db: None, project: Project) -> None:
    user = User.objects.create_user("support", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_suppression"))
    client = log_in(user)
    row, _ = suppress(project.pk, Entry(address="ann@example.com", reason="bounce"))
    assert client.get(reverse(LIST)).status_code == 200
    assert client.post(reverse("admin:tracking_suppression_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(reverse("admin:tracking_suppression_import_file")).status_code == 403


def test_a_file_is_imported_with_a_report_of_its_lines(admin: Client, project: Project) -> None:
    page = reverse("admin:tracking_suppression_import_file")
    assert page in admin.get(reverse(LIST)).content.decode()
    assert admin.get(page).status_code == 200
    content = b"email,reason\nann@example.com,spam\nnope,spam\ncaf\xe9@example.com,spam\n"

    def upload(**values: str) -> str:
        file = SimpleUploadedFile("list.csv", content)
        return admin.post(page, {"project": str(project.pk), "file": file, **values}).content.decode()

    assert "no such stream" in upload(stream="news")
    assert "invalid lines: 2" in upload(strict="on")
    assert not Suppression.objects.exists()
    report = upload()
    assert "1 added, 0 known before, 2 lines rejected." in report
    assert "invalid_address" in report
    assert "not_utf8" in report
    row = Suppression.objects.get()
    assert (row.address, row.reason, row.way) == ("ann@example.com", "complaint", "import")
    assert AuditEntry.objects.get().data == {"added": 1, "known": 0, "refused": 2}


def test_an_entry_names_its_stream_and_is_found_by_any_part(admin: Client, project: Project) -> None:
    values = {"project": str(project.pk), "address": "ann@example.com", "reason": "manual", "note": ""}
    assert (
        "holds for all streams"
        in admin.post(reverse(ADD), {**values, "reason": "bounce", "stream": "default"}).content.decode()
    )
    assert "no such stream" in admin.post(reverse(ADD), {**values, "stream": "news"}).content.decode()
    assert admin.post(reverse(ADD), {**values, "stream": "default"}).status_code == 302
    assert admin.post(reverse(ADD), {**values, "stream": ""}).status_code == 302
    assert set(Suppression.objects.values_list("stream", "way")) == {("default", "api"), (None, "api")}
    found = admin.get(reverse(LIST), {"q": "N@EXAM"}).content.decode()
    assert "ann@example.com" in found
