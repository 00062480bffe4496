"""Django's executor of migrations, which renders the one model that an operation changes.

Django renders anew every model that is related to it, directly or by way of others: with a project at the root of
nearly all tables, 5,400 classes for a hundred migrations, which is three quarters of the time of a first start. An
operation reads the table of its own model and those that its foreign keys lead to. What asks for all relations has
them: an operation that is not known here to do without, Python in a migration, and the end (docs/decisions/0241).
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from django.contrib.postgres import operations as postgres
from django.db import migrations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field

S = TypeVar("S", bound=ProjectState)
# They change one table, and ask for no relation that leads to it. Python is given a state that is rendered in full.
OF_ONE_MODEL: frozenset[type[Operation]] = frozenset(
    {
        migrations.AddConstraint,
        migrations.AddField,
        migrations.AddIndex,
        migrations.AlterModelManagers,
        migrations.AlterModelOptions,
        migrations.AlterUniqueTogether,
        migrations.CreateModel,
        migrations.DeleteModel,
        migrations.RemoveConstraint,
        migrations.RemoveField,
        migrations.RemoveIndex,
        migrations.RunPython,
        migrations.RunSQL,
        migrations.SeparateDatabaseAndState,
        postgres.AddConstraintNotValid,
        postgres.AddIndexConcurrently,
        postgres.RemoveIndexConcurrently,
        postgres.TrigramExtension,
        postgres.ValidateConstraint,
    }
)


class LoneModels(ProjectState):
    """A state in which a changed model alone is rendered anew; others may refer to what it was before.

    It counts as delayed, as Django calls what has to be rendered in full before Python sees it.
    """

    def clone(self) -> "LoneModels":
        return take_over(super().clone(), LoneModels)

    def reload_model(self, app_label: str, model_name: str, delay: bool = False) -> None:
        self.reload_models([(app_label, model_name)], delay)

    def reload_models(self, models: Iterable[tuple[str, str]], delay: bool = True) -> None:  # noqa: ARG002 - Django's
        if is_rendered(self):
            self.is_delayed = True
            self._reload(set(models))  # type: ignore[attr-defined]


class Executor(MigrationExecutor):
    """Django's, for which a migration of operations of one model has a state of lone models."""

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        if all(is_of_one_model(each, state, migration.app_label) for each in migration.operations):
            state = take_over(state, LoneModels)
        else:
            state.clear_delayed_apps_cache()
            state = take_over(state, ProjectState)
            # Before the operations copy it: each copy would be rendered by itself.
            state.apps  # noqa: B018
        return super().apply_migration(state, migration, fake=fake, fake_initial=fake_initial)


def is_rendered(state: ProjectState) -> bool:
    # A look at the attribute would render it.
    return "apps" in state.__dict__


def take_over(state: ProjectState, kind: type[S]) -> S:
    """The same state as a `kind` of state; the given one is not to be used any more."""
    taken = kind(models=state.models, real_apps=state.real_apps)
    taken.is_delayed = state.is_delayed
    if is_rendered(state):
        taken.__dict__["apps"] = state.apps
    return taken


def is_of_one_model(operation: Operation, state: ProjectState, app_label: str) -> bool:
    """Whether it needs no model but its own and those that its foreign keys lead to, after `state`."""
    match operation:
        case migrations.AlterField():
            model = state.models.get((app_label, operation.model_name_lower))
            before = model.fields.get(operation.name) if model else None
            return before is not None and not is_referable(before) and not is_referable(operation.field)
        case migrations.SeparateDatabaseAndState():
            inner = [*operation.database_operations, *operation.state_operations]
            return all(is_of_one_model(each, state, app_label) for each in inner)
        case migrations.RunSQL():
            return all(is_of_one_model(each, state, app_label) for each in operation.state_operations)
    return type(operation) in OF_ONE_MODEL


def is_referable(field: "Field[Any, Any]") -> bool:
    """Whether it leads to another table, or foreign keys of others can lead to it: their columns change with it."""
    return field.is_relation or field.primary_key or field.unique
