"""The base of all management commands: `--json`, and errors in one line."""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from common.addresses import AddressError
from common.client_ip import command_reason
from common.errors import ApiError
from common.times import format_time

# The exit status after Ctrl-C, as in shells.
INTERRUPTED = 130


class ServiceCommand(BaseCommand):
    """A management command: subclasses write `add_options` and `handle`, and print results with `emit`.

    Errors are one line on stderr and exit status 1 (2 for wrong usage); `--traceback` shows their origin.
    """

    # System checks of the web side do not concern commands, and take longer than most commands.
    requires_system_checks: ClassVar[list[str]] = []  # type: ignore[misc]
    is_json = False

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the command's own arguments."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Write JSON, one line per item.")
        parser.add_argument("--why", default="", help="The reason for a change, which the audit log keeps.")
        self.add_options(parser)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Wrong usage then raises CommandError here too, not only in calls from Python.
        parser.called_from_command_line = None
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        except CommandError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader of the output has closed it (`… | head`). Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as error:
            if "--traceback" in argv:
                raise
            self.stderr.write(f"{type(error).__name__}: {first_line(error)} (--traceback shows where)")
            sys.exit(1)

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.is_json = options.get("json", False)
        command_reason.set(options.get("why") or "")
        try:
            return super().execute(*args, **options)
        except (ApiError, AddressError) as error:
            raise CommandError(describe_problem(error)) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database cannot be used: {first_line(error)}") from error

    def emit(self, item: Mapping[str, object], text: str | None = None) -> None:
        """Print one item: a line of JSON, or otherwise `text`, or otherwise its members as `name=value`."""
        if self.is_json:
            self.stdout.write(json.dumps(item, default=to_json))
        else:
            self.stdout.write(make_printable(text if text is not None else describe_item(item)))


def describe_problem(error: ApiError | AddressError) -> str:
    """The error as the API would show it, in one line."""
    errors = error.errors if isinstance(error, ApiError) else []
    if isinstance(error, ApiError) and len(errors) < 2:
        return error.detail
    return "; ".join(f"{one.field}: {one.message}" for one in errors) or str(error)


def make_printable(text: str) -> str:
    """`text` without terminal control characters: subjects and replies of other servers are untrusted."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def describe_item(item: Mapping[str, object]) -> str:
    return "  ".join(f"{name}={describe_value(value)}" for name, value in item.items())


def describe_value(value: object) -> str:
    match value:
        case None:
            return "-"
        case datetime():
            return str(format_time(value))
        case list() | tuple():
            return ",".join(str(part) for part in value) or "-"
    return str(value)


def to_json(value: object) -> object:
    """Encodes types that the standard library's JSON does not know."""
    match value:
        case datetime():
            return format_time(value)
        case UUID():
            return str(value)
    raise TypeError(type(value).__name__)
