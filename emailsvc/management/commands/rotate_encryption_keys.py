"""`rotate_encryption_keys`: encrypt every stored secret with the newest key."""

from typing import Any

from django.core.management.base import CommandError

from accounts.services import write_audit
from common.commands import ServiceCommand
from emailsvc.key_rotation import RotationResult, list_secret_columns, rekey_column


class Command(ServiceCommand):
    help = (
        "Encrypt every stored secret anew under the first of ENCRYPTION_KEYS. Put the new key first, restart all "
        "programs, run this, and then take the old keys away. May be stopped and started again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        # The work commits in parts, and may be stopped.
        write_audit("command", "rotate_encryption_keys", "encryption keys")
        unreadable: list[RotationResult] = []
        for model, name in list_secret_columns():
            rekeyed = rekey_column(model, name, self.progress_of(f"{model._meta.label}.{name}"))
            if rekeyed.unreadable_ids:
                unreadable.append(rekeyed)
            self.emit(
                {
                    "model": rekeyed.model,
                    "field": rekeyed.column,
                    "rotated": rekeyed.rotated_count,
                    "current": rekeyed.current_count,
                    "unreadable": rekeyed.unreadable_ids,
                }
            )
        if unreadable:
            names = ", ".join(f"{each.model}.{each.column}" for each in unreadable)
            raise CommandError(f"No key decrypts some secrets in {names}: keep the old keys until they are replaced.")

    def progress_of(self, column: str) -> Any:
        def show(done: int, total: int) -> None:
            if not self.is_json:
                self.stderr.write(f"{column}: {done} of {total}")

        return show
