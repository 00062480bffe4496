import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import Progress

from accounts.management.audit import audited_parts
from accounts.management.project_command import ProjectCommand
from accounts.streams import check_stream
from tracking.models import SuppressionReason
from tracking.suppressions.csv_files import ImportPlan, import_suppressions
from tracking.suppressions.rows import BadLine
from tracking.suppressions.text_lines import read_lines

# The most invalid lines that are printed in text form; with --json all are printed.
MAX_TOLD = 20


class Command(ProjectCommand):
    help = (
        "Add the addresses of a file to the suppression list: a CSV with the columns address (or email), reason, note, "
        "created_at and stream, or an export of SendGrid, Mailgun, Postmark, Amazon SES, Mandrill or Brevo."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="CSV, JSON, or a ZIP with one of them; - for stdin.")
        parser.add_argument(
            "--reason",
            choices=SuppressionReason.values,
            help="The reason for lines without one. Default: by the columns of another service, or manual.",
        )
        parser.add_argument(
            "--stream",
            metavar="NAME",
            help="The stream of opt-outs and manual entries without one. Default: all streams.",
        )
        parser.add_argument("--strict", action="store_true", help="Import nothing if one line is invalid.")

    def handle(self, *, file: str, reason: str | None, stream: str | None, strict: bool, **options: object) -> None:
        project = self.find_project(options)
        if stream is not None:
            check_stream(project.pk, stream)
        with (
            open_binary(file) as binary,
            self.show_progress(binary) as lines,
            audited_parts("import_suppressions", project) as counts,
        ):
            plan = ImportPlan(reason=reason, stream=stream, is_strict=strict)
            result = import_suppressions(project.pk, lines, plan, self.build_report())
            counts |= asdict(result)
        self.emit(asdict(result), f"{result.added} added, {result.known} known before, {result.refused} lines rejected")

    def build_report(self) -> Callable[[BadLine], None]:
        told = 0

        def report(bad: BadLine) -> None:
            nonlocal told
            told += 1
            if self.is_json:
                taken = {"taken": True} if bad.is_taken else {}
                self.emit({"line": bad.line, "code": bad.code, "message": bad.message, **taken})
            elif told <= MAX_TOLD:
                self.stderr.write(f"line {bad.line}: {bad.message}")
            elif told == MAX_TOLD + 1:
                self.stderr.write("… and more")

        return report

    @contextmanager
    def show_progress(self, binary: BinaryIO) -> Iterator[Iterator[str]]:
        """The lines of `binary`, with a progress bar on stderr if that is a terminal."""
        console = Console(stderr=True)
        lines = read_lines(binary)
        if self.is_json or not console.is_terminal:
            yield lines
            return
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Importing", total=os.fstat(binary.fileno()).st_size or None)

            def step() -> Iterator[str]:
                for line in lines:
                    progress.advance(task, len(line))
                    yield line

            yield step()


@contextmanager
def open_binary(name: str) -> Iterator[BinaryIO]:
    """Open the file or stdin."""
    try:
        file = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None
    with file:
        yield file
