"""One migrated database that the databases of pytest-xdist's workers are copies of: a hundred migrations take seconds.

A program of its own makes it while the workers import and collect. It holds a lock of a file until it has ended, so
that a worker that comes early waits.
"""

import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import django
import psycopg
from django.db import connection

LOCK = "TESTS_TEMPLATE_LOCK"
ROOT = Path(__file__).resolve().parent.parent


def begin_template(stack: ExitStack) -> None:
    """Start the program; the database goes with the stack."""
    name = f"template_{os.getpid()}"
    lock = Path(mkdtemp(prefix="emailsvc-template-")) / name
    os.environ[LOCK] = str(lock)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # The program inherits the open file, and the lock with it.
        command = [sys.executable, "-m", "tests.database_template", name]
        program = subprocess.Popen(command, cwd=ROOT, pass_fds=[file.fileno()])
    stack.callback(end_template, program, lock)


def end_template(program: "subprocess.Popen[bytes]", lock: Path) -> None:
    program.terminate()
    program.wait()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as maintenance:
        maintenance.execute(psycopg.sql.SQL("DROP DATABASE IF EXISTS {}").format(psycopg.sql.Identifier(lock.name)))
    lock.unlink()
    lock.parent.rmdir()


def copy_template() -> None:
    """Have Django copy the template for this worker, once it is made."""
    if path := os.environ.get(LOCK):
        with Path(path).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
        connection.settings_dict["TEST"]["TEMPLATE"] = Path(path).name


def make_template(name: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")
    django.setup()
    connection.settings_dict["TEST"]["NAME"] = name
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    connection.close()


if __name__ == "__main__":
    make_template(sys.argv[1])
