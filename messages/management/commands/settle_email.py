from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db import transaction

from accounts.management.project_command import ProjectCommand
from accounts.services import store_audit
from messages.deciding.settling import Settlement, list_uncertain, settle_many
from messages.management.selection import find_message
from messages.models import Message

STEP = 500


class Command(ProjectCommand):
    help = (
        "Settle uncertain attempts: count the emails as sent or as failed, or retry them. "
        "Give ids, or --all for all of the project that wait for a person."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID")
        parser.add_argument("--as", dest="decision", required=True, choices=[str(item) for item in Settlement])
        parser.add_argument("--all", action="store_true", help="All uncertain emails of the project.")
        parser.add_argument("--dry-run", action="store_true", help="Only list them.")

    def handle(self, *, ids: list[str], decision: str, dry_run: bool, **options: Any) -> None:
        if bool(ids) == options["all"]:
            raise CommandError("Give either ids or --all.")
        # All ids are looked up first, so that an error in the last one settles none.
        chosen = [find_message(text).pk for text in ids] if ids else list_uncertain(self.find_project(options).pk)
        left = 0
        for start in range(0, len(chosen), STEP):
            left += self.settle(chosen[start : start + STEP], Settlement(decision), is_dry=dry_run)
        if left:
            raise CommandError(f"{left} of {len(chosen)} have no uncertain attempt that waits.")

    def settle(self, ids: list[UUID], settlement: Settlement, *, is_dry: bool) -> int:
        """Returns the number of those that could not be settled."""
        settled = set(ids) if is_dry else self.apply(ids, settlement)
        for message in Message.objects.filter(pk__in=ids).order_by("-pk"):
            if message.pk not in settled:
                self.emit({"id": message.pk, "status": message.status, "error": "not_uncertain"})
                continue
            self.emit({"id": message.pk, "status": message.status})
        return len(set(ids) - settled)

    def apply(self, ids: list[UUID], settlement: Settlement) -> set[UUID]:
        """Settle them with their entries of the audit log, in one transaction."""
        with transaction.atomic():
            settled = settle_many(ids, settlement)
            for pk, project_id in (
                Message.objects.filter(pk__in=settled).order_by("-pk").values_list("pk", "project_id")
            ):
                data = {"as": str(settlement)}
                store_audit(actor="command", action="settle_email", obj=pk, project_id=project_id, data=data)
        return settled
