"""`erase`: remove an address from all that is kept, and print the proof."""

import time
from argparse import ArgumentParser
from typing import Any

from django.db import transaction

from accounts.management.project_command import find_projects
from accounts.services import write_audit
from common.addresses import parse_address
from common.commands import ServiceCommand
from messages.lifetimes.erasures import request_erasure, run_erasure, show_proof
from messages.models import Erasure, ErasureStatus

WAIT_SECONDS = 1.0
PROGRESS_SECONDS = 5.0


class Command(ServiceCommand):
    help = (
        "Erase an address from all that a project keeps, or all projects: emails, events, webhook posts, logs. Mail on "
        "its way to it is stopped. Nothing undoes this. If the command is stopped, beat goes on with the erasure."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="The address; its case does not matter.")
        parser.add_argument("--project", help="Only this project, by name or id.")

    def handle(self, **options: Any) -> None:
        address = parse_address(options["address"]).address
        rows = []
        for project in find_projects(options["project"]):
            with transaction.atomic():
                row = request_erasure(project, address, "command")
                write_audit("command", "create_erasure", project, id=str(row.pk))
            rows.append(row)
        for row in rows:
            self.finish(row)
            self.emit(show_proof(row))

    def finish(self, row: Erasure) -> None:
        """Do the erasure to its end; beat may do a part of it."""
        told_at = time.monotonic()
        while row.status != ErasureStatus.DONE:
            for progress in run_erasure(row.pk):
                if progress.is_waiting:
                    break
                if time.monotonic() - told_at >= PROGRESS_SECONDS:
                    told_at = time.monotonic()
                    row.refresh_from_db()
                    self.stderr.write(f"{row.project.name}: {row.step} {row.place}")
            row.refresh_from_db()
            if row.status != ErasureStatus.DONE:
                self.stderr.write(f"{row.project.name}: waiting for a worker that is at it")
                time.sleep(WAIT_SECONDS)
