"""The user that the embedded servers run as: PostgreSQL refuses to run as root."""

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

# PGPORT, PGDATA or LD_PRELOAD of the caller are not meant for these servers.
CLEAN_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user to drop to."""

    uid: int
    gid: int


def choose_account(owned: Path) -> Account | None:
    """None, which is ourselves, unless we are root; then the owner of the folder `owned`, or `nobody` for a new one.

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
    """Make `path` the account's own, closed to everybody else."""
    path.chmod(stat.S_IRWXU)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def run_as(
    account: Account | None, arguments: list[str], inherited: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a short command as the account, with nothing of our environment; it does not outlive us.

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
    """What the command prints when that user runs it, None when it cannot be run or fails."""
    try:
        done = run_as(account, arguments)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
