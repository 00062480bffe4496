"""Invitations: mailed with a link that gives a role once."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Invitation, Membership
from accounts.people.invitations import build_link, invite
from accounts.people.roles import Role
from accounts.people.services import create_user, give_role
from common.errors import InvalidFieldsError
from messages.models import Message
from messages.notices.invitations import mail_invitations
from tests.admin.people import log_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
JOIN = {"username": "ann", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def owner(project, settings) -> Client:
    settings.NOTICE_FROM = "Mail <mail@ops.test>"
    user = create_user(name="boss", password=None)
    give_role("test", user, project, Role.OWNER)
    return log_in(user)


@pytest.fixture
def path(owner, project) -> str:
    made = invite("boss", project, "ann@x.test", Role.DEVELOPER)
    return build_link(made).partition("8000")[2]


def test_an_owner_invites_by_mail_and_the_link_makes_a_user(owner, project):
    form = {"project": project.pk, "email": "Ann@X.test", "role": "developer"}
    assert owner.post("/admin/accounts/invitation/add/", form).status_code == 302
    assert (mail_invitations(), mail_invitations()) == (1, 0)
    message = Message.objects.get()
    assert [row.address for row in message.recipients.all()] == ["Ann@x.test"]
    link = re.search(r"http://\S+/admin/join/\S+", message.content.text)[0]
    browser = Client()
    page = browser.get(link)
    assert (page.status_code, "Acme" in page.content.decode()) == (200, True)
    assert browser.post(link, JOIN)["Location"] == "/admin/"
    assert browser.get("/admin/accounts/apikey/").status_code == 200
    ann = User.objects.get(username="ann")
    assert (ann.email, ann.is_superuser, ann.memberships.get().role) == ("Ann@x.test", False, "developer")
    assert Client().get(link).status_code == 404
    said = AuditEntry.objects.filter(project=project, object="Ann@x.test").order_by("id")
    assert list(said.values_list("actor", "action")) == [("boss", "invite"), ("ann", "accept_invitation")]


def test_the_link_is_not_kept_in_the_mail_that_has_left(owner, path):
    mail_invitations()
    assert "/admin/join/" in Message.objects.get().content.text
    Message.objects.update(status="sent")
    mail_invitations()
    assert "/admin/join/" not in Message.objects.get().content.text
    assert Client().get(path).status_code == 200


def test_whoever_is_signed_in_takes_the_role(path, project, other_project):
    user = create_user(name="eve", password=None)
    give_role("test", user, other_project, Role.SUPPORT)
    browser = log_in(user)
    assert "Accept as eve" in browser.get(path).content.decode()
    assert browser.post(path, {"as_me": "1"}).status_code == 302
    assert user.memberships.get(project=project).role == "developer"
    assert browser.post(path, {"as_me": "1"}).status_code == 404


def test_a_link_that_is_old_withdrawn_or_changed_gives_nothing(owner, path, project):
    row = Invitation.objects.get()
    wrong = [path[:-3] + "x/", path.replace("join/", "join/x")]
    assert [Client().get(each).status_code for each in wrong] == [404, 404]
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().post(path, JOIN).status_code == 404
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    owner.post(f"/admin/accounts/invitation/{row.pk}/delete/", {"post": "yes"})
    assert Client().post(path, JOIN).status_code == 404
    assert not User.objects.filter(username="ann").exists()


def test_a_second_invitation_ends_the_first(path, project):
    invite("boss", project, "ann@x.test", Role.OWNER)
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password2": "another"}, "differ"),
        ({"password1": "12345", "password2": "12345"}, "too short"),
        ({"username": "boss"}, "already"),
        ({"username": "two words"}, "valid username"),
    ],
)
def test_a_wrong_form_makes_nobody_and_leaves_the_link(path, change, said):
    answer = Client().post(path, {**JOIN, **change})
    assert (answer.status_code, said in answer.content.decode()) == (200, True)
    assert Membership.objects.count() == 1
    assert Client().post(path, JOIN).status_code == 302


def test_wrong_addresses_and_a_project_without_a_sender_are_refused(owner, project, settings):
    form = {"project": project.pk, "email": "nowhere", "role": "support"}
    assert owner.post("/admin/accounts/invitation/add/", form).status_code == 200
    settings.NOTICE_FROM = ""
    with pytest.raises(InvalidFieldsError):
        invite("boss", project, "ann@x.test", Role.SUPPORT)
    assert not Invitation.objects.exists()
