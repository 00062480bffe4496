"""Runs commands as an operator's shell would, within the test's process and transaction."""

import io
import json
from importlib import import_module
from typing import Any


def run(name: str, *arguments: str, package: str = "messages") -> tuple[int, Any, str]:
    """Exit status, what is on stdout (with --json its items), and stderr."""
    out, err = io.StringIO(), io.StringIO()
    command = import_module(f"{package}.management.commands.{name}").Command(stdout=out, stderr=err, no_color=True)
    try:
        command.run_from_argv(["manage.py", name, *arguments])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    text = out.getvalue()
    return status, [json.loads(line) for line in text.splitlines()] if "--json" in arguments else text, err.getvalue()
