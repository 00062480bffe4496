"""A disk small enough to be filled: a tmpfs that only this run sees."""

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection

from emailsvc.embedded.roles import ADMINISTRATOR, OWNER

# linux/sched.h, sys/mount.h
CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = 16384 | (1 << 18)
MNT_DETACH = 2
SPACE = "drill"
FULL_BYTES = 65_536


class NoDiskError(Exception):
    """The system forbids mounts: only root may mount, and in a container only if it is allowed."""


def leave_mounts() -> bool:
    """Give this process and its children private mounts that end with them; returns whether that is allowed.

    Call it before any thread runs.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """An empty disk mounted on `folder`, with the owner of its parent. Raises NoDiskError."""
    folder.mkdir()
    owner = folder.parent.stat()
    options = f"size={megabytes}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"drill", os.fsencode(folder), b"tmpfs", 0, options.encode()) != 0:
        folder.rmdir()
        raise NoDiskError(os.strerror(ctypes.get_errno()))
    try:
        yield folder
    finally:
        libc.umount2(os.fsencode(folder), MNT_DETACH)
        folder.rmdir()


@contextmanager
def tables_on(folder: Path, tables: Sequence[str]) -> Iterator[None]:
    """Meanwhile PostgreSQL keeps these tables on that disk."""
    # Only the administrator of the server may make one.
    given = {**connection.get_connection_params(), "user": ADMINISTRATOR, "cursor_factory": psycopg.Cursor}
    with psycopg.connect(**given, autocommit=True) as administrator:
        administrator.execute(f"CREATE TABLESPACE {SPACE} OWNER {OWNER} LOCATION '{folder}'".encode())
    try:
        move(tables, SPACE)
        yield
    finally:
        move(tables, "pg_default")
        run_statement(f"DROP TABLESPACE {SPACE}")


def move(tables: Sequence[str], space: str) -> None:
    for table in tables:
        run_statement(f"ALTER TABLE {table} SET TABLESPACE {space}")


def run_statement(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """The disk is full until the block ends."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(FULL_BYTES))
        except OSError:
            pass
    yield
    ballast.unlink()
