"""The audit log of the admin: reading mail, and changes of users."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from accounts.models import AuditEntry
from tests.admin.people import superuser

pytestmark = pytest.mark.django_db


def entries(action):
    return list(AuditEntry.objects.filter(action=action).order_by("id"))


def test_staff_who_reads_a_mail_is_recorded_once_for_each_part_and_reason(sue, send, project):
    message = send(html="<p>Hi</p>")
    for name, why in (("html", ""), ("html", ""), ("raw", ""), ("html", "?why=ticket+7")):
        answer = sue.get(reverse(f"admin:mail_message_{name}", args=[message.pk]) + why)
        assert answer.status_code == 200
    found = entries("read_body")
    assert [(entry.data["part"], entry.reason) for entry in found] == [("html", ""), ("raw", ""), ("html", "ticket 7")]
    assert {(entry.actor, entry.object, entry.project_id, entry.origin) for entry in found} == {
        ("sue", str(message.pk), project.pk, "127.0.0.1")
    }


def test_the_page_of_a_message_reads_nothing_and_hands_the_reason_on(sue, send):
    message = send()
    page = sue.get(reverse("admin:mail_message_change", args=[message.pk]) + "?why=a%26b").content.decode()
    assert "text/?why=a%26b" in page
    assert 'value="a&amp;b"' in page
    assert entries("read_body") == []


def test_a_new_changed_and_deleted_user_is_recorded(db):
    client = superuser()
    password = {"password1": "battery staple 7", "password2": "battery staple 7", "usable_password": "true"}
    assert client.post(reverse("admin:auth_user_add"), {"username": "max", **password}).status_code == 302
    max_ = User.objects.get(username="max")
    assert client.post(reverse("admin:auth_user_delete", args=[max_.pk]), {"post": "yes"}).status_code == 302
    assert [(entry.actor, entry.object) for entry in entries("create_user") + entries("delete_user")] == [
        ("root", "max")
    ] * 2
