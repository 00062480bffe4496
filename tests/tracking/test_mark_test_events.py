"""The migration that marks the events of test mail of earlier releases."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection

from accounts.acting_for import Delegate
from accounts.models import Project
from common.addresses import parse_address
from messages import services
from messages.accepting.draft import Draft
from tracking.models import Event

migration = import_module("tracking.migrations.0052_mark_test_events")


def test_events_of_test_mail_are_marked_in_batches_and_others_are_not(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "BATCH", 2)
    people = [parse_address("one@rcpt.test")]
    draft = Draft(from_=parse_address("shop@mine.test"), to=people, subject="Hi", text="Hello.")
    tests = services.accept(Delegate(project=project, is_test=True), [draft] * 5)
    live = services.accept(Delegate(project=project), [draft])
    Event.objects.update(is_test=False)
    migration.mark_events(None, SimpleNamespace(connection=connection))
    marked = set(Event.objects.filter(is_test=True).values_list("message_id", flat=True))
    assert marked == {message.pk for message in tests}
    assert Event.objects.get(is_test=False).message_id == live[0].pk
