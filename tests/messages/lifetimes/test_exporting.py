"""The export of what is kept of an address."""

import pytest

from accounts.models import AuditEntry
from tests.commands.running import run
from tracking.models import Suppression

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _connections_stay(monkeypatch):
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


def test_the_export_has_all_kinds_of_one_address_and_nothing_of_others(project, other_project, send, inbox, deliver):
    first = send(to=["Jo@rcpt.test", "bob@rcpt.test"], subject="First", metadata={"order": "7"})
    second = send(to=["jo@rcpt.test"], subject="Second")
    deliver()
    send(to=["bob@rcpt.test"], subject="Bob's")
    for owner, address in ((project, "jo@rcpt.test"), (project, "bob@rcpt.test"), (other_project, "jo@rcpt.test")):
        Suppression.objects.create(project=owner, address=address, reason="manual", note="n")
    status, items, _ = run("export", "JO@rcpt.test", "--project", "Acme", "--json")
    assert status == 0
    kinds = [item["kind"] for item in items]
    assert (kinds.count("suppression"), kinds.count("email"), kinds.count("attempt")) == (1, 2, 2)
    emails = [item for item in items if item["kind"] == "email"]
    assert [(email["subject"], email["status"]) for email in emails] == [
        ("Second", "delivered"),
        ("First", "delivered"),
    ]
    assert (emails[1]["metadata"], emails[1]["text"], emails[1]["address"]) == (
        {"order": "7"},
        "Hello.",
        "Jo@rcpt.test",
    )
    events = [(item["email_id"], item["type"]) for item in items if item["kind"] == "event"]
    assert sorted(events) == sorted(
        (str(message.pk), type_) for message in (first, second) for type_ in ("email.queued", "email.delivered")
    )
    assert "bob@" not in str(items)
    assert "jo@" not in str(AuditEntry.objects.get(action="export_address").__dict__).lower()


def test_nothing_is_exported_of_an_unknown_address(project):
    assert run("export", "nobody@x.test", "--json")[:2] == (0, [])
