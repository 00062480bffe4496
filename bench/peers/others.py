"""The peers that send mail: django-post_office, Postfix, Haraka, and smtp-source for the wire; found or installed.

Each is a context that yields the work of one round: a function of a number of messages. A peer that this machine cannot
run raises SkippedError with the reason.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.delivery import await_port, can_run_postfix, find, give, postfix
from bench.peers.ground import Ground, stop_group
from bench.peers.talk import talking
from bench.peers.wanted import DEFAULTS, HARAKA, POSTFIX, TUNED, WIRE
from bench.service import ROOT
from emailsvc.launcher.ports import held_port

POST_OFFICE = "django-post-office==3.12.0"
HARAKA_PACKAGE = "Haraka@3.3.4"
INSTALL_SECONDS = 300
# Settings and processes of django-post_office: its defaults, and the best that we found for two processors.
MODES: Mapping[str, tuple[Mapping[str, int], int]] = {
    DEFAULTS: ({}, 1),
    TUNED: ({"BATCH_SIZE": 1000, "THREADS_PER_PROCESS": 1}, 2),
}
# A function that prepares as many messages, and returns the work that sends them.
Prepare = Callable[[int, int], Callable[[], object]]


class SkippedError(Exception):
    """Why a peer does not run here."""


def install(command: list[str], what: str) -> None:
    """Run a package manager. Raises SkippedError with its last line."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except FileNotFoundError:
        raise SkippedError(f"{command[0]} is not installed, so {what} cannot be installed") from None
    except subprocess.TimeoutExpired:
        raise SkippedError(f"{what} was not installed within {INSTALL_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "").strip().splitlines()[-1:] or [str(error)]
        raise SkippedError(f"{what} was not installed: {last[0]}") from None


def install_post_office(cache: Path) -> Path:
    """The Python of an environment with django-post_office."""
    python = cache / "post_office" / "bin" / "python"
    marker = cache / "post_office" / POST_OFFICE
    if not marker.exists():
        install([sys.executable, "-m", "venv", str(cache / "post_office")], POST_OFFICE)
        packages = [POST_OFFICE, "psycopg[binary]", "Django>=5.2,<5.3"]
        install([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], POST_OFFICE)
        marker.touch()
    return python


@contextmanager
def post_office(ground: Ground, cache: Path, mode: str) -> Iterator[Prepare]:
    settings, processes = MODES[mode]
    environment = {
        **{key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}},
        **ground.client_environment(f"post_office_{processes}"),
        "POST_OFFICE": json.dumps(settings),
    }
    program = ROOT / "bench" / "peers" / "programs" / "post_office_queue.py"
    with talking([str(install_post_office(cache)), str(program)], environment) as queue:

        def prepare(count: int, size: int) -> Callable[[], object]:
            queue.tell(f"fill {count} {size}")
            return lambda: queue.tell(f"send {processes}")

        yield prepare


@contextmanager
def running_postfix(ground: Ground, _cache: Path) -> Iterator[Prepare]:
    if not can_run_postfix():
        raise SkippedError("needs root and Debian's package postfix (apt-get install postfix)")
    with postfix(ground.sink) as hand_over:
        yield lambda count, size: partial(hand_over, count, size)


@contextmanager
def wire(ground: Ground, _cache: Path) -> Iterator[Prepare]:
    if find("smtp-source") is None:
        raise SkippedError("needs smtp-source of Debian's package postfix (apt-get install postfix)")
    yield lambda count, size: partial(give, ground.sink.port, count, size)


PLUGIN = """
exports.register = function () {
  this.register_hook('rcpt', 'bench_sink')
  this.register_hook('get_mx', 'to_sink')
}
exports.bench_sink = (next, connection) => { connection.relaying = true; next(OK) }
exports.to_sink = (next) => next(OK, { exchange: '127.0.0.1', port: Number(process.env.SINK_PORT), priority: 0 })
"""
# It listens at `port`; everything else is as it comes.
HARAKA_FILES: Mapping[str, str] = {
    "config/smtp.ini": "listen=127.0.0.1:{port}\n",
    "config/plugins": "bench_sink\n",
    "config/outbound.ini": "local_mx_ok=true\n",
    "config/me": "bench.test\n",
    "config/loglevel": "error\n",
}


def install_haraka(cache: Path) -> Path:
    """The folder of Haraka's package."""
    if find("node") is None:
        raise SkippedError("needs Debian's packages nodejs and npm (apt-get install nodejs npm)")
    package = cache / "haraka" / "node_modules" / "Haraka"
    if not package.exists():
        folder = str(cache / "haraka")
        flags = ["--no-audit", "--no-fund", "--omit=optional", "--ignore-scripts", "--prefix", folder]
        install(["npm", "install", *flags, HARAKA_PACKAGE], HARAKA_PACKAGE)
    return package


@contextmanager
def haraka(ground: Ground, cache: Path) -> Iterator[Prepare]:
    """Haraka accepts for any domain, queues on disk, and hands everything to the sink."""
    package = install_haraka(cache)
    with ExitStack() as stack:
        port = stack.enter_context(held_port())
        folder = ground.folder / "haraka"
        shutil.copytree(package / "config", folder / "config")
        (folder / "plugins").mkdir()
        (folder / "queue").mkdir()
        (folder / "plugins" / "bench_sink.js").write_text(PLUGIN)
        for name, text in HARAKA_FILES.items():
            (folder / name).write_text(text.replace("{port}", str(port)))
        log = stack.enter_context((folder / "log").open("wb"))
        environment = {"PATH": os.environ.get("PATH", ""), "SINK_PORT": str(ground.sink.port)}
        command = [str(find("node")), str(package / "bin" / "haraka"), "-c", str(folder)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        stack.callback(stop_group, process)
        await_port(port)
        yield lambda count, size: partial(give, port, count, size)


SENDERS: Mapping[str, Callable[[Ground, Path], AbstractContextManager[Prepare]]] = {
    WIRE: wire,
    DEFAULTS: partial(post_office, mode=DEFAULTS),
    TUNED: partial(post_office, mode=TUNED),
    POSTFIX: running_postfix,
    HARAKA: haraka,
}
