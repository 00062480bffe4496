"""The admin's pages on suppressions."""

import pytest
from django.contrib.auth.models import Permission, User
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
