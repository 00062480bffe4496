"""Make the database ready for the programs: migrations, the shared provider, and on request the first accounts."""

from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from common.commands import ServiceCommand
from emailsvc.launcher.first_accounts import provision
from emailsvc.launcher.secrets_file import FILE_NAME, read_secrets, write_secrets
from emailsvc.web.health import TICK_KEY
from tracking.feed.cursor import mend_positions

# Any number will do: two machines that start together must not migrate at the same time.
MIGRATION_LOCK = 0x656D61696C


class Command(ServiceCommand):
    help = "Apply migrations and sync the shared provider. Harmless when repeated, or run by many machines at once."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--secrets", type=Path, metavar="FOLDER", help="also make an administrator, a project and a key, kept here"
        )

    def handle(self, **options: Any) -> None:
        applied_count = migrate()
        mend_positions()
        call_command("sync_providers", verbosity=0)
        if folder := options["secrets"]:
            ensure_accounts(folder / FILE_NAME)
            # A tick of the run before must not pass for a worker of this one.
            cache.delete(TICK_KEY)
        self.emit({"migrations_applied": applied_count}, f"{applied_count} migrations applied, ready")


def migrate() -> int:
    """Apply what is missing, one process at a time; how many migrations that were."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            executor = MigrationExecutor(connection)
            waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
            if waiting:
                call_command("migrate", interactive=False, verbosity=1)
            return len(waiting)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def ensure_accounts(path: Path) -> None:
    kept = read_secrets(path)
    provisioned = provision(kept)
    if provisioned != kept:
        write_secrets(path, provisioned)
