from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import Progress

from accounts.management.project_command import ProjectCommand
from tracking.suppressions.csv_files import export_suppressions, write_csv

Row = TypeVar("Row")


class Command(ProjectCommand):
    help = "Write the suppression list as CSV, or with --json one line for each address. import_suppressions reads CSV."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="The output file. Default: stdout.")

    def handle(self, *, file: str, **options: object) -> None:
        rows = export_suppressions(self.find_project(options).pk)
        if file != "-":
            self.write_file(Path(file), rows)
        elif self.is_json:
            for row in rows:
                self.emit(row)
        else:
            write_csv(rows, self.stdout)

    def write_file(self, path: Path, rows: Iterable[dict[str, object]]) -> None:
        """Write under another name and rename at the end, so that the file is always complete, old or new."""
        partial = path.with_name(f"{path.name}.part")
        try:
            # The list is personal data, so only the owner may read it.
            partial.touch(mode=0o600)
            with partial.open("w", encoding="utf-8", newline="") as file, self.show_progress(rows) as counted:
                count = write_csv(counted, file)
            partial.replace(path)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        finally:
            partial.unlink(missing_ok=True)
        self.emit({"exported": count, "file": str(path)}, f"{count} addresses in {path}")

    @contextmanager
    def show_progress(self, rows: Iterable[Row]) -> Iterator[Iterable[Row]]:
        """The same rows, with a counter on stderr if that is a terminal."""
        console = Console(stderr=True)
        if self.is_json or not console.is_terminal:
            yield rows
            return
        with Progress(console=console, transient=True) as progress:
            yield progress.track(rows, description="Exporting", total=None)
