"""Prepare the database for the programs: migrations, the group Support, the shared provider, and first accounts."""

from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from common.commands import ServiceCommand
from emailsvc.admin_site.support_group import sync_support_group
from emailsvc.launcher.first_accounts import provision
from emailsvc.launcher.secrets_file import FILE_NAME, read_secrets, write_secrets
from emailsvc.migrating import apply_migrations
from emailsvc.migration_files import Names, list_applied, list_on_disk
from emailsvc.web.health import TICK_KEY
from messages.search.index import ensure_index
from tracking.feed.cursor import mend_positions

# An arbitrary number: two machines that start together must not migrate at the same time.
MIGRATION_LOCK = 0x656D61696C


class Command(ServiceCommand):
    help = (
        "Apply migrations, and sync the group Support and the shared provider. "
        "Safe to repeat, and to run on many machines at once."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--secrets",
            type=Path,
            metavar="FOLDER",
            help="also create an administrator, a project and an API key, stored in this folder",
        )

    def handle(self, **options: Any) -> None:
        applied_count = migrate()
        sync_support_group()
        mend_positions()
        ensure_index()
        call_command("sync_providers", verbosity=0)
        if folder := options["secrets"]:
            ensure_accounts(folder / FILE_NAME)
            # A tick of an earlier run must not count as a living worker of this run.
            cache.delete(TICK_KEY)
        self.emit({"migrations_applied": applied_count}, f"{applied_count} migrations applied, ready")


def migrate() -> int:
    """Apply missing migrations, one process at a time, while programs may run; returns their number."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            on_disk, applied = list_on_disk(), list_applied()
            refuse_unknown(applied - on_disk)
            if waiting := on_disk - applied:
                apply_migrations()
            return len(waiting)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def refuse_unknown(gone: Names) -> None:
    """Refuse a database that has migrations of our apps which this version does not know."""
    own = {config.label for config in apps.get_app_configs() if Path(config.path).parent == settings.BASE_DIR}
    unknown = sorted(f"{app}.{name}" for app, name in gone if app in own)
    if unknown:
        raise CommandError(
            f"This database was made by another version of emailsvc ({unknown[0]}) and cannot be used by this one: "
            "start with an empty database, or with an empty data folder (./run --data FOLDER)."
        )


def ensure_accounts(path: Path) -> None:
    kept = read_secrets(path)
    provisioned = provision(kept)
    if provisioned != kept:
        write_secrets(path, provisioned)
