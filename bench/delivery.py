"""Messages per second from a filled queue to a relay, compared with Postfix's own accept, queue and relay.

Both hand 5 KB messages to Postfix's `smtp-sink` on loopback, round by round in one run. Ours: 5,000 rows become due at
once, and a worker with two children sends them. Postfix's: `smtp-source` gives it as many over ten sessions. The clock
stops when the sink has counted all. The benchmark also shows the CPU time of our worker's processes for each mail
(without PostgreSQL and Valkey), which varies less on a busy machine. Needs Debian's package postfix; the peer also
needs root.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from cryptography.fernet import Fernet

from bench.measure import Options, session_cpu_seconds
from emailsvc.embedded.servers import running_servers
from emailsvc.launcher.ports import LOOPBACK, held_port

COUNT = 5_000
ROUNDS = 3
SESSIONS = 10
SIZE = 5_000
SINK_SESSIONS = 200
PATIENCE_SECONDS = 120.0
# The last mails' outcomes are recorded after the sink has counted them.
SETTLE_SECONDS = 0.5


class Sink:
    """Postfix's smtp-sink, which accepts and counts everything, unless `options` of its own say otherwise."""

    def __init__(self, port: int, *, host: str = LOOPBACK, options: Sequence[str] = ()) -> None:
        self.port = port
        self.count = 0
        # It refuses to run as root.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [str(find("smtp-sink")), *user, *options, "-c", f"{host}:{port}", str(SINK_SESSIONS)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Reads its running count, of which each figure overwrites the last."""
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            if figures := re.findall(rb"\d+", chunk):
                self.count = int(figures[-1])

    def await_count(self, goal: int) -> None:
        """Wait until it has counted as many. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.count < goal:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{goal - self.count} messages did not arrive")
            time.sleep(0.002)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def run(options: Options) -> None:
    if find("smtp-sink") is None:
        print("  skipped: smtp-sink is not installed (Debian's package postfix)")
        return
    with ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        sink = Sink(stack.enter_context(held_port()))
        stack.callback(sink.stop)
        ours = stack.enter_context(our_service(data, sink))
        theirs = stack.enter_context(postfix(sink)) if can_run_postfix() else None
        figures: dict[str, list[float]] = {"emailsvc": [], "Postfix": []}
        cpu_times: list[float] = []
        for _ in range(ROUNDS):
            rate, cpu_time = measure_ours(sink, ours)
            figures["emailsvc"].append(rate)
            cpu_times += [] if cpu_time is None else [cpu_time]
            if theirs:
                figures["Postfix"].append(measure(sink, theirs))
    for name, values in figures.items():
        if values:
            print(f"  {name:<10} {median(values):>7.0f} /s [{min(values):.0f}-{max(values):.0f}]")
    if figures["Postfix"]:
        ratios = [own / peer for own, peer in zip(figures["emailsvc"], figures["Postfix"], strict=True)]
        print(f"  ratio      {median(ratios):>7.2f}    [{min(ratios):.2f}-{max(ratios):.2f}]")
    if cpu_times:
        print(f"  CPU/mail   {median(cpu_times):>7.0f} µs [{min(cpu_times):.0f}-{max(cpu_times):.0f}] in our worker")


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker. `release` makes COUNT prepared messages due; all its processes are in one session."""

    session_id: int
    release: Callable[[], None]


def measure_ours(sink: Sink, worker: Worker) -> tuple[float, float | None]:
    """Messages per second, and microseconds of the worker's CPU for each, if the system reports them."""
    before = session_cpu_seconds(worker.session_id)
    rate = measure(sink, worker.release)
    time.sleep(SETTLE_SECONDS)
    after = session_cpu_seconds(worker.session_id)
    return rate, None if before is None or after is None else (after - before) / COUNT * 1e6


def measure(sink: Sink, start: Callable[[], object], count: int = COUNT) -> float:
    """Messages per second, from `start` until the sink has counted them all."""
    goal = sink.count + count
    begun_at = time.perf_counter()
    start()
    sink.await_count(goal)
    return count / (time.perf_counter() - begun_at)


@contextmanager
def our_service(data: Path, sink: Sink) -> Iterator[Worker]:
    """PostgreSQL, Valkey, and a worker with two children."""
    os.environ |= {
        "SECRET_KEY": "bench-" * 8,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "TRUSTED_SENDER_DOMAINS": "*",
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "emailsvc.settings",
    }
    with running_servers(data, os.environ) as servers:
        os.environ |= servers.environment
        manage("migrate", "--verbosity", "0")
        from bench import filling  # the settings are complete only now

        filling.prepare(f"smtp://127.0.0.1:{sink.port}?tls=never")
        worker = subprocess.Popen(
            [
                *[sys.executable, "-m", "celery", "-A", "emailsvc.celery:app", "--quiet", "worker"],
                "-c",
                "2",
                "-Q",
                "normal",
            ],
            start_new_session=True,
        )
        try:
            filling.await_worker()
            for _ in range(ROUNDS):
                filling.fill(COUNT, SIZE)
            yield Worker(worker.pid, lambda: filling.release_messages(COUNT))
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            filling.finish()


MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.test
mydestination =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{sink}
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
"""
MASTER_CF = """
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def postfix(sink: Sink) -> Iterator[Callable[..., None]]:
    """A Postfix of our own with its defaults, relaying to the sink; yields `give` for its port."""
    with held_port() as port, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("config", "queue", "data"):
            (folder / part).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "config" / "main.cf").write_text(MAIN_CF.format(folder=folder, sink=sink.port))
        (folder / "config" / "master.cf").write_text(MASTER_CF.format(port=port))
        command = [str(find("postfix")), "-c", str(folder / "config")]
        subprocess.run([*command, "start"], check=True, capture_output=True)
        try:
            await_port(port)
            yield partial(give, port)
        finally:
            subprocess.run([*command, "stop"], check=False, capture_output=True)


def give(port: int, count: int = COUNT, size: int = SIZE, sessions: int = SESSIONS) -> None:
    """Hand messages to a server by smtp-source."""
    source = [str(find("smtp-source")), "-s", str(sessions), "-m", str(count), "-l", str(size)]
    subprocess.run([*source, "-f", "a@bench.test", "-t", "b@rcpt.test", f"127.0.0.1:{port}"], check=True)


def can_run_postfix() -> bool:
    return os.geteuid() == 0 and find("postfix") is not None and find("smtp-source") is not None


def find(program: str) -> str | None:
    """The path of a program; Debian puts Postfix's programs in /usr/sbin, which may not be on the PATH."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def manage(*arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], check=True)


def await_port(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {port}")
