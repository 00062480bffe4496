"""`manage.py tail`."""

import json
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from tests.feed_settling import settle
from tracking.events import Fact, record_facts
from tracking.models import EventType

pytestmark = pytest.mark.django_db(transaction=True)


def write(project, type_, **data):
    with transaction.atomic():
        record_facts([Fact(project_id=project.pk, message_id=uuid4(), address="one@rcpt.test", type=type_, data=data)])
    settle()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("tail", "--no-follow", *arguments, stdout=out)
    return out.getvalue()


def test_tail_prints_one_line_per_event(project):
    write(project, EventType.BOUNCED, code=550, enhanced_code="5.1.1", reply="no such user", attempt=1)
    (line,) = run("--all").splitlines()
    assert "email.bounced" in line
    assert "one@rcpt.test  code=550  enhanced_code=5.1.1  reply=no such user" in line
    assert run() == ""


def test_tail_as_json_is_the_feed(project, api):
    write(project, EventType.SENT)
    write(project, EventType.FAILED)
    assert [json.loads(line) for line in run("--all", "--json").splitlines()] == api.get("/events").json()["data"]
    (line,) = run("--all", "--json", "--types", "email.failed").splitlines()
    assert json.loads(line)["type"] == "email.failed"


def test_tail_begins_with_the_last_ones(project):
    for number in range(5):
        write(project, EventType.SENT, code=250 + number)
    assert [line.rpartition("code=")[2] for line in run("--last", "2").splitlines()] == ["253", "254"]
    assert len(run("--last", "9").splitlines()) == 5


def test_tail_says_an_outcome_where_the_type_does_not(project):
    write(project, EventType.DELIVERING, outcome="uncertain", provider="relay")
    write(project, EventType.DELIVERED, outcome="delivered")
    first, second = run("--all").splitlines()
    assert first.endswith("provider=relay  outcome=uncertain")
    assert "outcome" not in second


@pytest.mark.parametrize("arguments", [["--types", "email.lost"], ["--after", "x"]])
def test_tail_rejects_unknown_arguments(project, arguments):
    with pytest.raises(CommandError):
        run(*arguments)
