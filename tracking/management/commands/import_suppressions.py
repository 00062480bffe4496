import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import Progress

from accounts.management.project_command import ProjectCommand
from accounts.services import write_audit
from tracking.models import SuppressionReason
from tracking.suppressions.csv_files import BadLine, ImportPlan, import_suppressions

# Longer than any valid line. The limit keeps a file without line ends from being read as a whole.
MAX_LINE = 64 * 1024
# The most invalid lines that are printed in text form; with --json all are printed.
MAX_TOLD = 20


class Command(ProjectCommand):
    help = "Add the addresses of a CSV to the suppression list. Columns: address (or email), reason, note, created_at."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="A CSV in UTF-8, with or without column names; - for stdin.")
        parser.add_argument(
            "--reason", choices=SuppressionReason.values, default="manual", help="The reason for lines without one."
        )
        parser.add_argument("--strict", action="store_true", help="Import nothing if one line is invalid.")

    def handle(self, *, file: str, reason: str, strict: bool, **options: object) -> None:
        project = self.find_project(options)
        with open_text(file) as text, self.show_progress(text) as lines:
            plan = ImportPlan(reason=reason, is_strict=strict)
            result = import_suppressions(project.pk, lines, plan, self.build_report())
        write_audit("command", "import_suppressions", project, **asdict(result))
        self.emit(asdict(result), f"{result.added} added, {result.known} known before, {result.refused} lines rejected")

    def build_report(self) -> Callable[[BadLine], None]:
        told = 0

        def report(bad: BadLine) -> None:
            nonlocal told
            told += 1
            if self.is_json:
                self.emit({"line": bad.line, "code": bad.code, "message": bad.message})
            elif told <= MAX_TOLD:
                self.stderr.write(f"line {bad.line}: {bad.message}")
            elif told == MAX_TOLD + 1:
                self.stderr.write("… and more")

        return report

    @contextmanager
    def show_progress(self, text: TextIO) -> Iterator[Iterator[str]]:
        """The lines of `text`, with a progress bar on stderr if that is a terminal."""
        console = Console(stderr=True)
        lines = iter(lambda: text.readline(MAX_LINE), "")
        if self.is_json or not console.is_terminal:
            yield lines
            return
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Importing", total=os.fstat(text.fileno()).st_size or None)

            def step() -> Iterator[str]:
                for line in lines:
                    progress.advance(task, len(line))
                    yield line

            yield step()


@contextmanager
def open_text(name: str) -> Iterator[TextIO]:
    """Open the file or stdin. Invalid UTF-8 is kept as surrogates, so that its line can be reported."""
    try:
        file = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None
    with TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="") as text:
        yield text
