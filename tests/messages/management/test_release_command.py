"""manage.py release_address."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry, Project
from messages.models import Message
from tracking.models import Suppression
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(project: Project, send: Callable[..., Message]) -> Message:
    suppress(project.pk, Entry(address="one@rcpt.test", reason="bounce"))
    return send()


def test_releasing_an_address_sends_its_suppressed_mail(held: Message, capsys: Any) -> None:
    call_command("release_address", "ONE@rcpt.test", "--resend", "--json")
    said = json.loads(capsys.readouterr().out)
    new = Message.objects.get(resent_from=held)
    assert said == {
        "address": "one@rcpt.test",
        "reason": "bounce",
        "released": [{"reason": "bounce", "stream": None}],
        "resent": [str(new.pk)],
        "refused": {},
        "left_count": 0,
    }
    assert AuditEntry.objects.get().action == "release"


def test_without_resend_only_the_list_changes(held: Message, capsys: Any) -> None:
    call_command("release_address", "one@rcpt.test")
    assert "one@rcpt.test was released; the reason of its suppression was bounce." in capsys.readouterr().out
    assert (Suppression.objects.count(), Message.objects.count()) == (0, 1)


def test_entries_of_a_reason_and_a_stream_are_released(project: Project, capsys: Any) -> None:
    for reason, stream in (("bounce", None), ("manual", "default"), ("unsubscribe", "default")):
        suppress(project.pk, Entry(address="one@rcpt.test", reason=reason, stream=stream))
    call_command("release_address", "one@rcpt.test", "--stream", "default", "--reason", "manual")
    assert "was manual, for the stream default." in capsys.readouterr().out
    with pytest.raises(CommandError, match="with these options"):
        call_command("release_address", "one@rcpt.test", "--reason", "manual")
    call_command("release_address", "one@rcpt.test", "--stream", "all")
    assert Suppression.objects.get().reason == "unsubscribe"


def test_what_cannot_be_done_is_said(held: Message) -> None:
    with pytest.raises(CommandError, match="not on the suppression list"):
        call_command("release_address", "two@rcpt.test")
    with pytest.raises(CommandError, match="--since"):
        call_command("release_address", "one@rcpt.test", "--since", "yesterday")
    assert Suppression.objects.exists()
