"""Migrations whose states render changed models alone do the same as Django's."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.commands import migrate
from django.db import connection, transaction
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    AlterModelOptions,
    AlterUniqueTogether,
    CreateModel,
    DeleteModel,
    Migration,
    RemoveConstraint,
    RemoveField,
    RemoveIndex,
    RenameField,
    RenameModel,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import (
    CASCADE,
    BigAutoField,
    CharField,
    CheckConstraint,
    ForeignKey,
    Index,
    IntegerField,
    ManyToManyField,
    Q,
    TextField,
    UniqueConstraint,
)

from emailsvc.migration_states import Executor, LoneModels, is_of_one_model

pytestmark = pytest.mark.django_db
seen: list[set[str]] = []


def note_relations(apps: Any, _editor: Any) -> None:
    """What Python in a migration sees of the relations to a shop."""
    shop = apps.get_model("probe", "Shop")
    seen.append({relation.related_model._meta.model_name for relation in shop._meta.related_objects})
    assert all(relation.related_model._meta.apps is apps for relation in shop._meta.related_objects)


def key() -> Any:
    return BigAutoField(primary_key=True)


# Each is a migration of its own. The tables lead to each other, and each changes after others lead to it.
STEPS: dict[str, Sequence[Operation]] = {
    "create": [CreateModel("Shop", [("id", key()), ("name", CharField(max_length=20))])],
    "refer": [
        CreateModel("Item", [("id", key()), ("shop", ForeignKey("probe.Shop", CASCADE))]),
        CreateModel("Visit", [("id", key()), ("items", ManyToManyField("probe.Item"))]),
    ],
    "add": [AddField("shop", "city", TextField(default="")), AddField("item", "price", IntegerField(default=1))],
    "alter": [AlterField("shop", "name", TextField(null=True)), AlterField("item", "price", IntegerField(null=True))],
    "see": [RunPython(note_relations)],
    "add a reference": [AddField("shop", "best", ForeignKey("probe.Item", CASCADE, null=True, related_name="+"))],
    "index": [AddIndex("item", Index(fields=["shop", "price"], name="probe_price"))],
    "constrain": [
        AddConstraint("item", CheckConstraint(condition=Q(price__gt=0), name="probe_costs")),
        AddConstraint("shop", UniqueConstraint(fields=["name", "city"], name="probe_one")),
        AlterUniqueTogether("item", {("shop", "price")}),
    ],
    "options": [AlterModelOptions("item", {"ordering": ["price"]})],
    "statement": [
        RunSQL(
            "ALTER TABLE probe_item ADD note text",
            state_operations=[AddField("item", "note", TextField(null=True))],
        ),
        SeparateDatabaseAndState(state_operations=[AlterModelOptions("shop", {"ordering": ["name"]})]),
    ],
    "key": [AlterField("shop", "id", CharField(max_length=9, primary_key=True))],
    "lead elsewhere": [AlterField("item", "shop", ForeignKey("probe.Visit", CASCADE, null=True))],
    "rename": [RenameField("shop", "name", "title"), RenameModel("Item", "Article")],
    "after the rename": [AddField("article", "size", IntegerField(null=True)), AddField("visit", "at", TextField())],
    "take away": [
        RemoveIndex("article", "probe_price"),
        RemoveConstraint("article", "probe_costs"),
        RemoveField("shop", "best"),
        RemoveField("visit", "items"),
    ],
    "drop": [CreateModel("Late", [("id", key())]), DeleteModel("Late")],
}


def make_migration(name: str) -> Migration:
    migration = Migration(name, "probe")
    migration.operations = list(STEPS[name])  # type: ignore[misc]
    return migration


def run(kind: type[MigrationExecutor]) -> list[str]:
    """The statements of all steps, whose tables are taken back."""
    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(f"{sql} {params}")
        return execute(sql, params, many, context)

    executor = kind(connection)
    executor.recorder.ensure_schema()
    state = ProjectState()
    with transaction.atomic(), connection.execute_wrapper(note):
        for name in STEPS:
            state = executor.apply_migration(state, make_migration(name))
        transaction.set_rollback(True)
    return [text for text in statements if "SAVEPOINT" not in text and "django_migrations" not in text]


def test_each_statement_is_that_of_django() -> None:
    seen.clear()
    plain, lone = run(MigrationExecutor), run(Executor)
    assert len(plain) > 30
    assert lone == plain
    assert seen == [{"item"}, {"item"}]


def test_an_operation_that_others_follow_is_not_of_one_model() -> None:
    state, kinds = ProjectState(), {}
    for name in STEPS:
        migration = make_migration(name)
        kinds[name] = all(is_of_one_model(each, state, "probe") for each in migration.operations)
        state = migration.mutate_state(state, preserve=False)
    assert {name for name, is_lone in kinds.items() if not is_lone} == {"key", "lead elsewhere", "rename"}


def test_only_what_an_operation_changes_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []
    render = ModelState.render

    def note(self: ModelState, apps: Any) -> Any:
        rendered.append(self.name)
        return render(self, apps)

    state: ProjectState = LoneModels()
    for name in ("create", "refer"):
        state = make_migration(name).mutate_state(state)
    assert state.apps.get_model("probe", "Item")
    monkeypatch.setattr(ModelState, "render", note)
    state = make_migration("add").mutate_state(state)
    assert rendered == ["Shop", "Item"]
    state.clear_delayed_apps_cache()
    assert state.apps.get_model("probe", "Item").shop.field.related_model is state.apps.get_model("probe", "Shop")


def test_the_command_runs_migrations_so() -> None:
    assert load_command_class(get_commands()["migrate"], "migrate")
    assert migrate.MigrationExecutor is Executor  # type: ignore[attr-defined]
