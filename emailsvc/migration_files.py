"""Migrations by the names of their files, compared with the database.

Django's loader imports every one of them to know their order. That cost each process of the web server 10 MB for one
answer, and a start half a second; what has to be applied is known by name.
"""

from importlib.util import find_spec
from pkgutil import iter_modules

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

Names = set[tuple[str, str]]


def list_on_disk() -> Names:
    """App and name of every migration of this version, those of libraries included."""
    return {(config.label, name) for config in apps.get_app_configs() for name in list_files(config.label)}


def list_files(label: str) -> list[str]:
    module, _ = MigrationLoader.migrations_module(label)
    spec = find_spec(module) if module else None
    # As the loader has it: packages, and names that begin so, are none.
    folders = spec.submodule_search_locations if spec else []
    return [file.name for file in iter_modules(folders) if not file.ispkg and file.name[0] not in "_~"]


def list_applied() -> Names:
    """App and name of every migration that the database has."""
    return set(MigrationRecorder(connection).applied_migrations())


def list_waiting() -> Names:
    """The migrations that are to be applied."""
    return list_on_disk() - list_applied()
