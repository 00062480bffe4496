"""One command with its servers: `python -m emailsvc.launcher.one_command [--data FOLDER | --temporary] -- program …`.

If a service is running, the command uses its servers; otherwise servers run for as long as commands need them.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.locks import InUseError
from emailsvc.embedded.parent_death import die_with_parent
from emailsvc.embedded.runtime import runtime_folder
from emailsvc.embedded.servers import KINDS, running_servers
from emailsvc.launcher.data_folder import (
    DEFAULT_DATA,
    build_environment,
    hold,
    kept_environment,
    open_data_folder,
    read_environment,
)
from emailsvc.launcher.secrets_file import keep_secrets

USERS_LOCK_NAME = "users.lock"
# Another process is starting or stopping the servers; neither takes longer than this.
WAIT_SECONDS = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="emailsvc.launcher.one_command")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--temporary", action="store_true", help="use a temporary data folder")
    parser.add_argument("words", nargs="+")
    options = parser.parse_args()
    try:
        with open_folder(options) as data, command_environment(data, os.environ) as environment:
            return run_command(options.words, environment)
    except EmbeddedError as error:
        sys.stderr.write(f"emailsvc: {error}\n")
        return 1


@contextmanager
def open_folder(options: argparse.Namespace) -> Iterator[Path]:
    if options.temporary:
        with runtime_folder(None) as folder:
            yield open_data_folder(folder)
    else:
        yield open_data_folder(options.data)


@contextmanager
def command_environment(data: Path, given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment for one command; its servers run meanwhile."""
    with ExitStack() as stack:
        if all(given.get(kind.variable) for kind in KINDS):
            made: Mapping[str, str] = {**keep_secrets(data, given).environment(), **read_environment(data)}
        else:
            made = find_servers(data, given, stack)
        yield build_environment(given, made)


def find_servers(data: Path, given: Mapping[str, str], stack: ExitStack) -> Mapping[str, str]:
    """The servers' addresses for the command: borrowed servers or our own, kept until `stack` closes."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return stack.enter_context(started_servers(data, given))
        except InUseError:
            if borrowed := stack.enter_context(borrowed_servers(data)):
                return borrowed
            if time.monotonic() > deadline:
                raise
            # The servers are being started or stopped.
            time.sleep(0.1)


@contextmanager
def started_servers(data: Path, given: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Our own servers, which stop after the last command that borrowed them. Raises InUseError if they are in use."""
    with hold(data), (data / USERS_LOCK_NAME).open("a+") as users, ExitStack() as stack:
        secrets = keep_secrets(data, given).environment()
        servers = stack.enter_context(running_servers(data, given))
        made = {**secrets, **servers.environment}
        stack.enter_context(kept_environment(data, made))
        stack.callback(fcntl.flock, users, fcntl.LOCK_EX)
        yield made


@contextmanager
def borrowed_servers(data: Path) -> Iterator[Mapping[str, str]]:
    """The addresses of another process's servers, which wait for us; empty if there are none."""
    with (data / USERS_LOCK_NAME).open("a+") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        left = read_environment(data)
        if not left:
            fcntl.flock(users, fcntl.LOCK_UN)
        yield left


def run_command(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """The command's exit status. The command handles Ctrl-C; SIGTERM is passed on to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command = subprocess.Popen(
        words,
        env=dict(environment),
        preexec_fn=partial(begin, os.getpid()),
    )
    signal.signal(signal.SIGTERM, lambda number, _frame: command.send_signal(number))
    code = command.wait()
    return code if code >= 0 else 128 - code


def begin(parent: int) -> None:
    """Runs between fork and exec: ignored signals stay ignored across exec."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent(parent, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
