"""Commands that show messages and act on them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEntry
from messages.models import Attempt, Content, Message
from messages.states import Status, StatusReason
from tests.commands.running import run

pytestmark = pytest.mark.django_db


def ids(*messages):
    return {str(message.pk) for message in messages}


def test_show_email_prints_the_history(send, bounce):
    message = bounce(send("Bob <bob@gone.test>", subject="Your bill", tags=["bill"]))
    row = message.recipients.get()
    Attempt.objects.create(
        recipient=row,
        number=1,
        lease_token=uuid4(),
        phase="done",
        provider_name="relay",
        claimed_at=timezone.now(),
        outcome="bounced",
        code=550,
        enhanced_code="5.1.1",
        reply="No such \x1b[31muser",
        remote_host="mx.gone.test",
    )
    status, text, err = run("show_email", str(message.pk))
    assert (status, err) == (0, "")
    for words in (
        "Your bill",
        'BOUNCED: The provider "relay" (mx.gone.test) rejected it permanently on ',
        "there is no such mailbox",
        "What to do: Check the address for a typing error",
        "To Bob <bob@gone.test>: bounced",
        "via relay at mx.gone.test: bounced",
        "550 5.1.1 No such",
        "Timeline",
        "Accepted from staff or a command",
    ):
        assert words in text
    assert "\x1b" not in text


def test_show_email_as_json_is_the_apis_answer(send, api):
    message = send()
    status, [item], _ = run("show_email", str(message.pk), "--json")
    assert status == 0
    assert item.pop("explanation") == api.get(f"/emails/{message.pk}/explain").json()
    assert item == api.get(f"/emails/{message.pk}").json()


def test_list_emails_filters_as_the_api_does(send, bounce, other_project):
    plain, bounced = send(subject="One"), bounce(send("bob@gone.test", subject="Two", tags=["t"]))
    send(of=other_project)
    project = ("--project", "Acme")
    _, items, _ = run("list_emails", *project, "--json")
    assert {item["id"] for item in items} == ids(plain, bounced)
    for arguments in (("--status", "bounced"), ("--to", "bob@gone.test"), ("--tag", "t"), ("--search", "two")):
        status, items, err = run("list_emails", *project, *arguments, "--json")
        assert (status, err, {item["id"] for item in items}) == (0, "", ids(bounced))
    assert "html" not in items[0]
    _, text, _ = run("list_emails", *project, "--status", "bounced")
    assert f"{bounced.pk}" in text
    assert "bob@gone.test  Two" in text


def test_an_email_is_found_by_its_message_id_and_by_that_of_the_client(send):
    message, other = send(), send()
    for text in (str(message.pk), message.message_id, message.message_id.strip("<>")):
        assert run("show_email", text, "--json")[1][0]["id"] == str(message.pk)
    Content.objects.filter(message=message).update(original_message_id="abc.1@shop.test")
    assert run("show_email", "<abc.1@shop.test>", "--json")[1][0]["id"] == str(message.pk)
    Content.objects.filter(message=other).update(original_message_id="abc.1@shop.test")
    status, _, err = run("cancel_email", "<abc.1@shop.test>")
    assert (status, str(other.pk) in err, str(message.pk) in err) == (1, True, True)


def test_emails_of_several_projects_are_listed_together(send, project, other_project):
    messages = [send(), send(of=other_project), send()]
    several = ("--project", "Acme", "--project", "Other")
    listed = [item["id"] for item in run("list_emails", *several, "--json")[1]]
    assert listed == [str(message.pk) for message in reversed(messages)]
    assert "several projects" in run("list_emails")[2]


def test_list_emails_ends_at_its_limit_and_goes_on_after_an_id(send):
    messages = sorted((str(send().pk) for _ in range(5)), reverse=True)
    _, first, _ = run("list_emails", "--limit", "2", "--json")
    assert [item["id"] for item in first] == messages[:2]
    _, rest, _ = run("list_emails", "--after", messages[1], "--limit", "0", "--json")
    assert [item["id"] for item in rest] == messages[2:]


def test_cancel_email_cancels_what_is_scheduled(send):
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    status, [item], _ = run("cancel_email", str(message.pk), "--json")
    assert (status, item) == (0, {"id": str(message.pk), "status": Status.CANCELLED})
    assert AuditEntry.objects.get().action == "cancel"
    status, out, err = run("cancel_email", str(message.pk))
    assert (status, out, "cancelled" in err) == (1, "", True)


def test_cancel_email_touches_nothing_when_one_id_is_wrong(send):
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    status, _, err = run("cancel_email", str(message.pk), str(uuid4()))
    message.refresh_from_db()
    assert (status, "There is no email" in err, message.status) == (1, True, Status.SCHEDULED)


def test_resend_email_makes_a_new_one(send, bounce):
    message = bounce(send())
    status, [item], err = run("resend_email", str(message.pk), "--json")
    new = Message.objects.get(resent_from=message)
    assert (status, err) == (0, "")
    assert item == {"id": str(message.pk), "new": str(new.pk), "status": "queued"}
    assert AuditEntry.objects.get().data["new"] == str(new.pk)


def test_resend_email_by_filter_can_be_repeated(send, bounce):
    wanted = [bounce(send(tags=["t"])) for _ in range(3)]
    send(tags=["t"])
    bounce(send())
    dry = run("resend_email", "--tag", "t", "--dry-run", "--json")[1]
    assert {item["id"] for item in dry} == ids(*wanted)
    assert not Message.objects.filter(resent_from__isnull=False).exists()
    status, items, _ = run("resend_email", "--tag", "t", "--json")
    assert (status, {item["id"] for item in items}) == (0, ids(*wanted))
    assert run("resend_email", "--tag", "t", "--json")[:2] == (0, [])
    assert Message.objects.filter(resent_from__isnull=False).count() == 3


def test_resend_email_to_those_that_failed(send):
    message = send("good@x.test", "bad@x.test")
    with transaction.atomic():
        message.recipients.filter(address="good@x.test").move_to(Status.DELIVERED)
        message.recipients.filter(address="bad@x.test").move_to(Status.BOUNCED, StatusReason.REFUSED)
    run("resend_email", str(message.pk), "--failed")
    new = Message.objects.get(resent_from=message)
    assert [row.address for row in new.recipients.all()] == ["bad@x.test"]


def test_resend_email_reports_failures(send, bounce):
    good, queued = bounce(send()), send()
    status, items, err = run("resend_email", str(queued.pk), str(good.pk), "--json")
    assert (status, err.count("\n")) == (1, 1)
    assert [item["new"] is None for item in items] == [True, False]
    assert "queued" in items[0]["error"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("show_email", ["nonsense"], "There is no email"),
        ("show_email", ["01890a5d-ac96-774b-bcce-b302099a8057"], "There is no email"),
        ("show_email", [], "ID"),
        ("list_emails", ["--status", "lost"], "status"),
        ("list_emails", ["--to", "x"], "to"),
        ("list_emails", ["--created-after", "yesterday"], "created_after"),
        ("list_emails", ["--after", "x"], "after"),
        ("list_emails", ["--limit", "-1"], "--limit"),
        ("list_emails", ["--limit", "x"], "--limit"),
        ("list_emails", ["--project", "Nobody"], "Nobody"),
        ("cancel_email", ["nonsense"], "There is no email"),
        ("cancel_email", [], "ID"),
        ("resend_email", [], "ids or filters"),
        ("resend_email", ["01890a5d-ac96-774b-bcce-b302099a8057", "--tag", "t"], "ids or filters"),
        ("resend_email", ["--status", "lost"], "status"),
        ("queue_status", ["--watch", "x"], "--watch"),
        ("release_due", ["x"], "x"),
    ],
)
def test_each_mistake_is_one_line(project, name, arguments, words):
    status, out, err = run(name, *arguments)
    assert (status != 0, out, err.count("\n")) == (True, "", 1)
    assert words in err
    assert "Traceback" not in err


def test_settle_email_settles_given_emails_and_names_those_without_an_uncertain_attempt(send):
    waiting, other, certain = send(), send(), send()
    with transaction.atomic():
        for message in (waiting, other):
            message.recipients.all().move_to(Status.DELIVERING, StatusReason.UNCERTAIN)
    status, items, err = run("settle_email", str(waiting.pk), str(certain.pk), "--as", "sent", "--json")
    assert (status, "1 of 2" in err) == (1, True)
    assert {item["id"]: item["status"] for item in items} == {str(waiting.pk): "sent", str(certain.pk): "queued"}
    assert AuditEntry.objects.get(action="settle_email").object == str(waiting.pk)
    assert run("settle_email", "--all", "--as", "failed", "--dry-run", "--json")[1][0]["id"] == str(other.pk)
    assert run("settle_email", "--all", "--as", "failed", "--json")[1][0]["status"] == "failed"
    assert run("settle_email", "--as", "sent")[0] == 1
