"""Codes, events, commands and drills in the documentation match the code."""

import ast
import re
import shlex

from django.core.management import get_commands, load_command_class
from django.test import Client

from accounts import scopes
from common.errors import ApiError
from drills.harness.catalogue import DRILLS
from emailsvc.documentation.inserts import list_errors
from emailsvc.documentation.pages import find_folder, list_pages
from messages.states import StatusReason
from tests.architecture.sources import PACKAGES, ROOT, find_sources, parse
from webhooks.event_types import TEST, EventType

COMMAND = re.compile(r"^\s*(?:\./run manage|docker compose exec web python manage.py) (.+)$", re.MULTILINE)
NAMES = sorted({name for names in list_pages().values() for name in names})


def read(name: str) -> str:
    return (find_folder() / f"{name}.md").read_text()


def test_every_error_is_documented():
    text = Client().get("/docs/errors").content.decode()
    assert len(list_errors()) > 40
    for kind in list_errors():
        assert f"<code>{kind.code}</code>" in text, kind


# Servers that `./run` and compose.yaml start, which other pages describe, and Django's command, which `prepare` calls.
RUN_BY_OTHERS = {"run_inbox", "run_report_listener", "run_submission", "migrate"}
# Whose argument at this place is a field's code.
CALLS = {"refuse": 0, "wrong": 1, "FieldError": 1, "fail": 0, "AddressError": 0}
# A module without these words has no such call.
WORDS = re.compile(rf"\b(?:{'|'.join([*CALLS, 'RefusedError', 'ValidationError'])})\b")
# Packages whose callers are not the API's; of one module they are.
NOT_OF_THE_API = ("inbox", "delivery")
GUARD = "delivery/ssrf.py"
# What rest_framework says by itself.
FRAMEWORK = {
    *("required", "null", "blank", "empty", "invalid", "invalid_choice", "not_a_list", "not_a_dict"),
    *("max_length", "min_length", "max_value", "min_value", "max_string_length", "overflow"),
}


def find_field_codes() -> set[str]:
    """Codes of fields as they are written in the sources."""
    paths = [path for path in find_sources() if path.parts[0] not in NOT_OF_THE_API or str(path) == GUARD]
    calling = [path for path in paths if WORDS.search((ROOT / path).read_text(encoding="utf-8"))]
    return {code for path in calling for code in find_codes_in(parse(path))}


def find_codes_in(tree: ast.AST) -> list[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [(getattr(call.func, "id", getattr(call.func, "attr", "")), call) for call in calls]
    places = {**CALLS, "RefusedError": 0}
    arguments = [call.args[places[name]] for name, call in named if name in places and len(call.args) > places[name]]
    arguments += [
        keyword.value
        for name, call in named
        if name == "ValidationError"
        for keyword in call.keywords
        if keyword.arg == "code"
    ]
    return [each.value for each in arguments if isinstance(each, ast.Constant) and re.fullmatch("[a-z_]+", each.value)]


def test_every_code_of_a_field_is_documented():
    text = read("errors")
    codes = find_field_codes()
    assert len(codes) > 40
    assert {code for code in codes | FRAMEWORK if f"`{code}`" not in text} == set()


def test_every_event_type_and_reason_is_documented():
    for name in (*EventType.values, TEST):
        assert f"`{name}`" in read("events"), name
    for reason in filter(None, StatusReason.values):
        assert f"`{reason}`" in read("errors"), reason


def test_commands_that_pages_show_exist_and_take_what_is_given():
    apps = get_commands()
    shown = [
        shlex.split(line)
        for name in NAMES
        for line in re.findall(
            r"^\s*(?:\./run manage|docker compose exec web python manage.py) (.+)$", read(name), re.M
        )
    ]
    assert len(shown) > 5
    for command, *arguments in shown:
        app = apps[command]
        parser = load_command_class(app, command).create_parser("manage.py", command) if isinstance(app, str) else None
        assert parser is not None
        parser.parse_args([argument for argument in arguments if argument not in {"…", "|"}])


def test_every_command_of_ours_is_listed():
    ours = {command for command, app in get_commands().items() if isinstance(app, str) and app in PACKAGES}
    assert len(ours) > 20
    assert {command for command in ours if f"`{command}" not in read("self-hosting")} <= RUN_BY_OTHERS


def test_every_scope_is_documented():
    assert {scope for scope in scopes.ALL if f"`{scope}`" not in read("operations")} == set()


def test_no_error_has_two_meanings():
    codes = [kind.code for kind in list_errors()]
    assert len(codes) == len(set(codes))
    assert ApiError not in list_errors()


def test_every_drill_is_reported():
    path = find_folder() / "drills.md"
    if path.exists():
        assert [name for name in DRILLS if f"`{name}`" not in read("drills")] == []
