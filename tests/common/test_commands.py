"""Behaviour common to all management commands."""

import io
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import OperationalError

from common.commands import ServiceCommand
from common.errors import ConflictError

ITEM = {"id": UUID(int=1), "at": datetime(2030, 1, 1, tzinfo=UTC), "tags": ["a", "b"], "none": None, "empty": []}


class ProbeCommand(ServiceCommand):
    def add_options(self, parser):
        parser.add_argument("what")
        parser.add_argument("--count", type=int)

    def handle(self, *, what, **options):
        match what:
            case "item":
                self.emit(ITEM)
                self.emit({"n": 2}, "in words")
            case "conflict":
                raise ConflictError
            case "database":
                raise OperationalError("connection refused\nIs the server running?")
            case "bug":
                raise ZeroDivisionError("division by zero")


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    command = ProbeCommand(stdout=out, stderr=err, no_color=True)
    try:
        command.run_from_argv(["manage.py", "probe", *arguments])
        status = 0
    except SystemExit as end:
        status = end.code
    return status, out.getvalue(), err.getvalue()


def test_json_is_one_line_per_item():
    status, out, err = run("item", "--json")
    assert (status, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"id": str(UUID(int=1)), "at": "2030-01-01T00:00:00Z", "tags": ["a", "b"], "none": None, "empty": []},
        {"n": 2},
    ]


def test_without_json_the_output_is_text():
    words = f"id={UUID(int=1)}  at=2030-01-01T00:00:00Z  tags=a,b  none=-  empty=-\nin words\n"
    assert run("item") == (0, words, "")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["conflict"], 1, "The state of the object"),
        (["database"], 1, "connection refused"),
        (["bug"], 1, "ZeroDivisionError: division by zero"),
        ([], 2, "what"),
        (["item", "--count", "x"], 2, "--count"),
        (["item", "--nonsense"], 2, "--nonsense"),
    ],
)
def test_an_error_is_one_line_and_a_status(arguments, status, words):
    ended, out, err = run(*arguments)
    assert (ended, out, err.count("\n")) == (status, "", 1)
    assert words in err
    assert "Traceback" not in err


def test_the_traceback_is_there_for_those_who_ask():
    with pytest.raises(ZeroDivisionError):
        run("bug", "--traceback")
