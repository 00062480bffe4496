from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.acting_for import Caller, Delegate
from accounts.management.project_command import ProjectCommand
from accounts.services import write_audit
from common.addresses import parse_address
from common.errors import ApiError
from messages.available_actions import UNSETTLED
from messages.management.selection import (
    add_filters,
    find_message,
    given_filters,
    read_filters,
    show_progress,
    walk_projects,
)
from messages.models import Message
from messages.services import ResendRecipients, resend, resend_to


class Command(ProjectCommand):
    help = (
        "Resend emails, each as a new one: those with the given ids, or all that match the filters. Filters leave out "
        "queued and scheduled emails and those that were resent before, so that an interrupted run can be repeated."
    )
    takes_several_projects = True

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID")
        add_filters(parser)
        parser.add_argument("--failed", action="store_true", help="Resend only to recipients that failed or bounced.")
        parser.add_argument(
            "--forward-to",
            action="append",
            default=[],
            metavar="ADDRESS",
            help="Resend to this address in place of the recipients; may be repeated. Cc and Bcc are left out.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only list the emails.")

    def handle(self, *, ids: list[str], failed: bool, forward_to: list[str], dry_run: bool, **options: Any) -> None:
        filters = given_filters(options)
        if bool(ids) == bool(filters):
            raise CommandError("Give either ids or filters.")
        if forward_to and failed:
            raise CommandError("Give --forward-to or --failed, not both.")
        addresses = [parse_address(text) for text in forward_to]
        chosen = [find_message(text).pk for text in ids] if ids else self.choose(options, filters)
        selection = ResendRecipients.FAILED if failed else ResendRecipients.ALL
        refused = 0
        for pk in show_progress(chosen, "Resending", is_silent=self.is_json):
            act = partial(resend_to, to=addresses) if addresses else partial(resend, selection=selection)
            refused += not self.resend(pk, act, is_dry=dry_run)
        if not self.is_json:
            done = "would be resent" if dry_run else "resent"
            self.stderr.write(f"{len(chosen) - refused} {done}{f', {refused} rejected' if refused else ''}")
        if refused:
            raise CommandError(f"{refused} of {len(chosen)} could not be resent.")

    def choose(self, options: dict[str, Any], filters: dict[str, str]) -> list[UUID]:
        """The ids of matching emails, newest first, read before the first resend: resent emails may match too."""
        ids = list(walk_projects(self.find_projects(options), read_filters(filters)))
        return [pk for page in split(ids, 500) for pk in keep_resendable(page)]

    def resend(self, pk: UUID, act: Callable[[Caller, Message], Message], *, is_dry: bool) -> bool:
        message = Message.objects.select_related("project").get(pk=pk)
        if is_dry:
            self.emit({"id": pk, "status": message.status, "subject": message.subject})
            return True
        try:
            with transaction.atomic():
                new = act(Delegate(project=message.project, is_test=message.is_test), message)
                write_audit("command", "resend", pk, project=message.project.name, new=str(new.pk))
        except ApiError as error:
            self.emit({"id": pk, "new": None, "error": error.detail}, f"{pk}: {error.detail}")
            return False
        self.emit({"id": pk, "new": new.pk, "status": new.status})
        return True


def split(ids: Sequence[UUID], size: int) -> list[Sequence[UUID]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def keep_resendable(ids: Sequence[UUID]) -> list[UUID]:
    again = Message.objects.filter(resent_from=OuterRef("pk"))
    kept = Message.objects.filter(~Exists(again), pk__in=ids).exclude(status__in=UNSETTLED)
    return list(kept.order_by("-id").values_list("pk", flat=True))
