"""The embedded Valkey (or Redis): an append-only file in the data folder, reachable only through a socket."""

import shutil
import signal
import socket
import time
from pathlib import Path
from urllib.parse import quote

from emailsvc.embedded.account import CLEAN_ENVIRONMENT, choose_account, give
from emailsvc.embedded.binaries import find_redis
from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.programs import Child, Program, has_ended, tail

FOLDER = "valkey"
SOCKET_NAME = "valkey.sock"
VERSION_NAME = "VERSION"
READY_SECONDS = 30.0


def redis_url(runtime: Path) -> str:
    return f"unix://{quote(str(runtime / SOCKET_NAME))}"


def build_valkey(data: Path, runtime: Path, *, is_durable: bool = True) -> Program:
    """The program that serves `data/valkey`. Raises EmbeddedError if no server can run here.

    Files of another version are set aside, since a version may not read another's files. They hold only wake-ups,
    rate limits and caches; mail is in PostgreSQL.
    """
    folder = data / FOLDER
    account = choose_account(folder)
    written_by = folder / VERSION_NAME
    known = written_by.read_text().strip() if written_by.exists() else None
    found = find_redis(account, runtime, wanted=known)
    if folder.exists() and found.version != known:
        set_aside(folder)
    folder.mkdir(exist_ok=True)
    give(folder, account)
    written_by.write_text(f"{found.version}\n")
    return Program(
        name="valkey",
        arguments=(
            str(found.executable),
            *("--port", "0", "--unixsocket", str(runtime / SOCKET_NAME), "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "yes" if is_durable else "no", "--daemonize", "no"),
            # Its own chores: ten times a second cost more than all that an idle service asks for.
            *("--hz", "2"),
        ),
        log=data / "logs" / "valkey.log",
        environment=CLEAN_ENVIRONMENT,
        # Its files are relative to its working folder, so that a closed parent folder does no harm.
        folder=folder,
        account=account,
        stop_seconds=2.0,
        death_signal=signal.SIGTERM,
    )


def set_aside(folder: Path) -> None:
    aside = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)


def await_valkey(runtime: Path, child: Child) -> None:
    """Wait until the server has loaded its file and answers. Raises EmbeddedError if it dies."""
    deadline = time.monotonic() + READY_SECONDS
    while ask_ping(runtime / SOCKET_NAME) != b"+PONG\r\n":
        if has_ended(child) or time.monotonic() > deadline:
            raise EmbeddedError(f"Valkey did not start:\n{tail(child)}")
        time.sleep(0.02)


def ask_ping(path: Path) -> bytes:
    """The server's reply to PING; empty if it does not reply."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64)
        except OSError:
            return b""
