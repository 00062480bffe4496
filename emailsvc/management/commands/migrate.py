"""Django's command `migrate`, with our executor."""

from django.core.management.commands import migrate

from emailsvc.migration_states import Executor

# The command knows its executor by this name.
migrate.MigrationExecutor = Executor  # type: ignore[attr-defined]
Command = migrate.Command
