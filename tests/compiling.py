"""Compiles tests and service once, before the workers of pytest-xdist start: in a fresh clone each would do it.

One program rewrites the assertions of the tests, as pytest does when it imports them: in Python, and ten times as
slowly as Python compiles. The other imports the service and what the tests share.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import django
from _pytest.assertion import rewrite

TESTS = Path(__file__).resolve().parent
# What every test needs, and the largest libraries that single tests import.
IMPORTED = (
    "tests.conftest",
    "emailsvc.urls",
    "boto3",
    "mcp.server",
    "moto.server",
    "resend",
    "svix.webhooks",
    "webauthn",
)
# Nothing connects.
SERVERS = {"DATABASE_URL": "postgresql:///none", "REDIS_URL": "redis://localhost/0"}


def begin_compiling(arguments: list[str]) -> "list[subprocess.Popen[bytes]]":
    """Start both programs if the whole suite is to run and is not compiled; wait for them before workers start."""
    if arguments or not any(True for _ in find_raw()):
        return []
    environment = {**SERVERS, **os.environ}
    commands = [[sys.executable, "-m", "tests.compiling", task] for task in TASKS]
    return [subprocess.Popen(command, cwd=TESTS.parent, env=environment) for command in commands]


def find_raw() -> Iterator[tuple[Path, Path]]:
    """The modules whose assertions pytest rewrites and that nobody has compiled, and where it looks for the result."""
    for source in (*TESTS.rglob("test_*.py"), *TESTS.rglob("conftest.py")):
        compiled = rewrite.get_cache_dir(source) / (source.stem + rewrite.PYC_TAIL)
        if not compiled.exists():
            yield source, compiled


def rewrite_assertions() -> None:
    """Write what pytest would write. Pytest makes a file anew that it finds unfit: that costs time and nothing else."""
    config = SimpleNamespace(getini=lambda _name: False)
    state = SimpleNamespace(trace=lambda _text: None)
    for source, compiled in find_raw():
        rewrite.try_makedirs(compiled.parent)
        digest, code = rewrite._rewrite_test(source, config)
        rewrite._write_pyc(state, code, digest, compiled)


def import_service() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")
    django.setup()
    for name in IMPORTED:
        import_module(name)


TASKS = {"rewrite": rewrite_assertions, "import": import_service}

if __name__ == "__main__":
    TASKS[sys.argv[1]]()
