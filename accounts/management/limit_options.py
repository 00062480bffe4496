"""The options of commands that set limits."""

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import replace

from django.core.management.base import CommandError

from accounts.installation.limits import NAMES, LimitValues

NONE = "none"
MOST = {"requests_per_second": 2**31 - 1, "messages_per_second": 2**31 - 1}


def add_limit_options(parser: ArgumentParser) -> None:
    """`--messages-per-day N` and so on; `none` is no limit."""
    for name in NAMES:
        amount, _, period = name.replace("_", " ").partition(" per ")
        text = f"The most {amount} in a {period}; {NONE} for no limit."
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=text)


def read_limit_options(options: Mapping[str, object], present: LimitValues) -> LimitValues:
    """`present` with the given limits in it. Raises CommandError."""
    given = {name: read_limit(name, str(options[name])) for name in NAMES if options.get(name) is not None}
    return replace(present, **given)


def read_limit(name: str, text: str) -> int | None:
    if text == NONE:
        return None
    most = MOST.get(name, 2**53 - 1)
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and 1 <= int(text) <= most):
        raise CommandError(f"--{name.replace('_', '-')}: must be a whole number from 1 to {most}, or {NONE}.")
    return int(text)
