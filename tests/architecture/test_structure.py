"""Rules of the code's structure."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command

from accounts import scopes
from accounts.checks import check_scopes
from accounts.permissions import HasScope, declared_scopes
from emailsvc.celery import app
from emailsvc.launcher import processes
from messages.models import Message, Recipient
from messages.states import Lane
from tests.api.test_conventions import list_views
from tests.architecture.sources import PACKAGES, ROOT, find_sources, parse, walk
from tracking import message_tables
from tracking.models import EventType

MAX_LINES = 350


def test_every_route_but_me_needs_a_scope():
    assert check_scopes() == []
    for path, view, actions in list_views():
        assert HasScope in view.permission_classes, path
        table = declared_scopes(view)
        for action in actions:
            is_admin = path.startswith("api/v1/admin/")
            expected = {scopes.NO_SCOPE} if path == "api/v1/me" else {scopes.ADMIN} if is_admin else scopes.ALL
            assert table[action] in expected, (path, action)


def consumed_queues() -> set[str]:
    """Every queue that some worker of the lineup listens to."""
    words = [command for command in processes.COMMANDS.values() if "worker" in command]
    return {queue for command in words for queue in command[command.index("-Q") + 1].split(",")}


def test_every_queue_has_a_worker():
    assert consumed_queues() >= {*Lane, app.conf.task_default_queue}


def our_tasks() -> list[str]:
    app.loader.import_default_modules()
    return [
        name
        for name, task in app.tasks.items()
        if type(task).__module__.partition(".")[0] in {"celery", *PACKAGES}
        and task.run.__module__.partition(".")[0] in PACKAGES
    ]


def test_every_task_goes_to_a_queue_with_a_worker():
    names = our_tasks()
    assert "mail.deliver_due" in names
    for name in names:
        routed = app.amqp.router.route({}, name)["queue"]
        assert getattr(routed, "name", routed) in consumed_queues(), name


def test_every_task_of_the_schedule_is_one():
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(our_tasks())


def test_every_task_is_named_by_its_package_and_takes_late_acknowledgement():
    for name in our_tasks():
        task = app.tasks[name]
        assert task.acks_late, name
        assert task.ignore_result, name
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", name)


@pytest.mark.parametrize("type_", EventType)
def test_every_event_type_is_in_the_glossary(type_):
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert f"| `{type_}` |" in text


def test_migrations_are_complete(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_app_has_one_leaf_of_migrations(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0, merge=False)
    for config in apps.get_app_configs():
        if config.name.partition(".")[0] in PACKAGES and (ROOT / config.name / "migrations").is_dir():
            numbers = [path.name[:4] for path in (ROOT / config.name / "migrations").glob("[0-9]*.py")]
            assert len(numbers) == len(set(numbers)), config.name


def test_no_module_is_longer_than_the_house_allows():
    lengths = {path: (ROOT / path).read_text(encoding="utf-8").count("\n") for path in find_sources()}
    assert {str(path): length for path, length in lengths.items() if length > MAX_LINES} == {}


# Django looks for `APP.admin`: these packages import their modules, and do nothing else.
ADMIN_PACKAGES = {Path("messages/admin/__init__.py"), Path("webhooks/admin/__init__.py")}


def test_nothing_happens_in_package_files():
    for path in find_sources():
        if path.name == "__init__.py":
            allowed = (ast.Expr, ast.ImportFrom) if path in ADMIN_PACKAGES else (ast.Expr,)
            assert [node for node in parse(path).body if not isinstance(node, allowed)] == [], path


def test_modules_are_named_for_what_they_do():
    vague = {"utils", "helpers", "core", "misc", "base", "common"}
    # Django looks for a database back end's wrapper in a module of this name.
    given = {Path("ledger/database/base.py")}
    assert [str(path) for path in find_sources() if path.stem in vague and path not in given] == []


def test_no_import_is_inside_a_function():
    for path in find_sources():
        for node in walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = [child for child in walk(node) if isinstance(child, ast.Import | ast.ImportFrom)]
                assert inner == [], (path, node.name)


def test_no_table_is_named_by_hand():
    for path in find_sources():
        assert "db_table" not in {
            node.id for node in walk(parse(path)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }, path


def test_tracking_names_the_tables_of_messages_in_one_place():
    assert Message._meta.db_table == message_tables.MESSAGES
    assert Recipient._meta.db_table == message_tables.RECIPIENTS
    tables = {model._meta.db_table for model in apps.get_app_config("mail").get_models()}
    for path in find_sources():
        if path.parts[0] == "tracking" and path.name != "message_tables.py":
            words = set(re.findall(r"\w+", (ROOT / path).read_text(encoding="utf-8")))
            assert words & tables == set(), path


def test_the_project_names_no_place_of_the_machine_it_was_written_on():
    places = re.compile(r"(?<![\w.])/(?:work|root)/")
    found = [
        str(path)
        for path in (*find_sources(), *map(Path, ("README.md", "CONTRIBUTING.md")))
        if places.search((ROOT / path).read_text(encoding="utf-8"))
    ]
    assert found == []
