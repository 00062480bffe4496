"""send_email: an email from the command line."""

import io
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import AuditEntry
from messages.models import Message
from messages.states import Lane, Status
from templates_app.services import create_template, publish_template
from tests.commands.running import run

pytestmark = pytest.mark.django_db
USUAL = ("--from", "Shop <shop@mine.test>", "--to", "one@rcpt.test", "--subject", "Hi", "--text", "Hello.")


def test_an_email_is_accepted_for_the_only_project(project):
    status, [item], err = run("send_email", *USUAL, "--json")
    assert (status, err, item["status"]) == (0, "", Status.QUEUED)
    message = Message.objects.get(pk=item["id"])
    assert (message.project, message.api_key, message.subject, message.content.text) == (project, None, "Hi", "Hello.")
    assert AuditEntry.objects.get().actor == "command"


def test_every_option_counts(project, tmp_path):
    html, file = tmp_path / "mail.html", tmp_path / "bill.pdf"
    html.write_text("<p>Grüße</p>")
    file.write_bytes(b"%PDF")
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    more = ["--cc", "two@rcpt.test", "--bcc", "three@rcpt.test", "--reply-to", "help@mine.test", "--tag", "receipt"]
    more += ["--html-file", str(html), "--attach", str(file), "--at", at, "--priority", "critical", "--test"]
    status, [item], _ = run("send_email", *USUAL, *more, "--project", "Acme", "--json")
    message = Message.objects.get(pk=item["id"])
    assert (status, message.status, message.priority, message.is_test) == (0, Status.SCHEDULED, Lane.CRITICAL, True)
    assert (message.content.html, message.tags) == ("<p>Grüße</p>", ["receipt"])
    assert [(row.kind, row.address) for row in message.recipients.order_by("position")] == [
        ("to", "one@rcpt.test"),
        ("cc", "two@rcpt.test"),
        ("bcc", "three@rcpt.test"),
    ]
    attachment = message.attachments.get()
    assert (attachment.filename, attachment.content_type) == ("bill.pdf", "application/pdf")


def test_a_template_is_filled(project):
    template = create_template(project, {"alias": "hello", "subject": "Hi {{ name }}", "text": "Dear {{ name }}"})
    publish_template(template)
    arguments = ["--from", "shop@mine.test", "--to", "one@rcpt.test", "--template", "hello", "--var", "name=Ann=e"]
    status, [item], err = run("send_email", *arguments, "--json")
    assert (status, err) == (0, "")
    assert Message.objects.get(pk=item["id"]).subject == "Hi Ann=e"


def test_the_text_may_come_from_a_pipe(project, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("From a pipe."))
    status, [item], _ = run("send_email", *USUAL[:-1], "-", "--json")
    assert (status, Message.objects.get(pk=item["id"]).content.text) == (0, "From a pipe.")


def test_waiting_ends_with_a_failure_that_names_the_next_step(project):
    status, out, err = run("send_email", *USUAL, "--wait", "0.1")
    assert (status, "queued" in out, err.count("\n")) == (1, True, 1)
    assert "show_email" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "to"),
        (["--to", "nobody"], "to"),
        (["--to", "a@b.test"], "subject"),
        ([*USUAL, "--to", "no address"], "to[1]"),
        ([*USUAL, "--at", "tomorrow"], "scheduled_at"),
        ([*USUAL, "--at", "2020-01-01T00:00:00Z"], "scheduled_at"),
        ([*USUAL, "--attach", "/nowhere/file"], "/nowhere/file: No such file"),
        ([*USUAL, "--attach", "/"], "/: Is a directory"),
        ([*USUAL, "--html-file", "/nowhere"], "/nowhere"),
        ([*USUAL, "--var", "x"], "NAME=VALUE"),
        ([*USUAL, "--template", "hello"], "not both"),
        ([*USUAL, "--project", "Nobody"], "There is no project Nobody"),
        ([*USUAL, "--priority", "huge"], "huge"),
        ([*USUAL, "--nonsense"], "--nonsense"),
    ],
)
def test_each_mistake_is_one_line_and_sends_nothing(project, settings, arguments, words):
    status, out, err = run("send_email", *arguments)
    assert (status != 0, out, err.count("\n")) == (True, "", 1)
    assert words in err
    assert "Traceback" not in err
    assert not Message.objects.exists()
