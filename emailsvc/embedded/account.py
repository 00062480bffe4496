"""The user account of the embedded servers: PostgreSQL refuses to run as root."""

import os
import pwd
import signal
import stat
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.parent_death import die_with_parent

# The caller's PGPORT, PGDATA or LD_PRELOAD must not reach these servers.
CLEAN_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user to switch to."""

    uid: int
    gid: int


def choose_account(owned: Path) -> Account | None:
    """None (our own user), unless we are root; then the owner of the folder `owned`, or `nobody` for a new folder.

    Raises EmbeddedError when the machine has no user `nobody`.
    """
    if os.geteuid() != 0:
        return None
    if owned.exists() and (owner := owned.stat()).st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL refuses to run as root, and this machine has no user `nobody`; run as a normal user"
        ) from None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def give(path: Path, account: Account | None) -> None:
    """Give `path` to the account and close it to all others."""
    path.chmod(stat.S_IRWXU)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def run_as(
    account: Account | None, arguments: list[str], inherited: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a short command as the account, without our environment; it ends when we end.

    Raises OSError when the account cannot run it.
    """
    return subprocess.run(
        arguments,
        cwd="/",
        env=CLEAN_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        pass_fds=inherited,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGKILL),
        check=False,
    )


def output_of(account: Account | None, arguments: list[str]) -> str | None:
    """The command's output when that user runs it; None if it cannot run or fails."""
    try:
        done = run_as(account, arguments)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
