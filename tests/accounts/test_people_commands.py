"""Commands that make people and give them roles."""

import io

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from accounts.models import AuditEntry, Membership
from tests.accounts.test_account_commands import keep_the_connection, run  # noqa: F401

pytestmark = pytest.mark.django_db


def create(monkeypatch, *arguments: str, stdin: str = ""):
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    return run("create_user", *arguments, "--json")


def test_a_user_is_made_with_a_role_in_a_project(monkeypatch, project):
    words = ("sue", "--role", "support", "--project", "Acme", "--email", "sue@x.test")
    status, [item], _ = create(monkeypatch, *words, stdin="a long enough phrase\n")
    user = User.objects.get(username="sue")
    assert (status, item) == (
        0,
        {"id": user.pk, "name": "sue", "email": "sue@x.test", "role": "support", "project": "Acme"},
    )
    assert user.check_password("a long enough phrase")
    assert (user.is_staff, user.is_superuser) == (True, False)
    assert list(Membership.objects.values_list("user", "project", "role")) == [(user.pk, project.pk, "support")]
    assert AuditEntry.objects.get().action == "give_role"


def test_without_a_password_one_is_made_and_without_a_project_the_role_holds_everywhere(monkeypatch, rf, project):
    status, [item], _ = create(monkeypatch, "otto", "--role", "operator")
    assert (status, item["project"]) == (0, None)
    assert User.objects.get().check_password(item["password"])
    assert Membership.objects.get().project is None
    assert authenticate(rf.post("/"), username="otto", password=item["password"])


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("two words", "--role", "owner"), "a long enough phrase\n", "valid username"),
        (("ann", "--role", "king"), "", "invalid choice"),
        (("ann",), "", "--role"),
        (("ann", "--role", "owner", "--email", "nowhere"), "", "valid email"),
        (("ann", "--role", "owner"), "12345\n", "too short"),
        (("ann", "--role", "owner", "--project", "Nope"), "", "no project"),
        (("taken", "--role", "owner"), "", "already"),
    ],
)
def test_wrong_words_make_nobody(monkeypatch, project, words, stdin, said):
    User.objects.create_user("taken")
    status, _, error = create(monkeypatch, *words, stdin=stdin)
    assert status != 0
    assert said in error
    assert User.objects.count() == 1
    assert not Membership.objects.exists()


def test_a_role_is_changed_and_taken(monkeypatch, project):
    create(monkeypatch, "sue", "--role", "support", "--project", "Acme")
    assert run("set_role", "sue", "developer", "--project", "Acme", "--json")[0] == 0
    assert Membership.objects.get().role == "developer"
    assert run("set_role", "sue", "none", "--project", "Acme", "--json")[0] == 0
    assert not Membership.objects.exists()
    for words, said in ((("sue", "none"), "no role there"), (("bob", "owner"), "no user with this name")):
        status, _, error = run("set_role", *words)
        assert (status, said in error) == (1, True), error
