"""`./run` as its users start it: first start, warm starts, idle footprint, and a lone POST's way to the wire."""

import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench.delivery import Sink
from bench.peers import mails
from bench.peers.figures import OURS, Board
from bench.peers.machine import cpu_seconds, list_tree, pss_mb
from bench.peers.plan import Plan
from bench.service import ROOT
from emailsvc.launcher.ports import held_port

ROWS = ("first-start", "warm-start", "idle-wire", "footprint")
READY_SECONDS = 600.0
# First ticks, connections and the first rounds of beat are over.
SETTLE_SECONDS = 10.0
# Settings of a caller's installation would change what is started.
NOT_GIVEN = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PUBLIC_URL", "PROVIDER_URL", "EMAILSVC_VENV", "VIRTUAL_ENV")
CACHES = ("PIP_CACHE_DIR", "UV_CACHE_DIR", "XDG_CACHE_HOME", "npm_config_cache")


@dataclass(frozen=True, kw_only=True)
class Started:
    """A running `./run`: its first process, what `ready.json` says, and what the start took."""

    pid: int
    ready: Mapping[str, str]
    figures: Mapping[str, float | None]


@contextmanager
def started(tree: Path, data: Path, environment: Mapping[str, str]) -> Iterator[Started]:
    """The service from a start to its stop."""
    ready = data / "ready.json"
    # Under our own Python `./run` would take our virtual environment for its own.
    python = getattr(sys, "_base_executable", sys.executable)
    begun_at = time.monotonic()
    with (data.parent / "run.log").open("ab") as log:
        command = [python, str(tree / "run"), "--port", "0", "--data", str(data)]
        process = subprocess.Popen(command, env=dict(environment), stderr=log, start_new_session=True)
    try:
        while not ready.exists():
            if process.poll() is not None or time.monotonic() - begun_at > READY_SECONDS:
                raise RuntimeError(f"./run did not start: {(data.parent / 'run.log').read_text()[-500:]}")
            time.sleep(0.02)
        seconds = time.monotonic() - begun_at
        figures = {"seconds": seconds, "cpu_seconds": cpu_seconds(process.pid)}
        yield Started(pid=process.pid, ready=json.loads(ready.read_text()), figures=figures)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def measure(board: Board, plan: Plan, place: Path) -> None:
    with ExitStack() as stack:
        sink = Sink(stack.enter_context(held_port()))
        stack.callback(sink.stop)
        environment = build_environment(place, sink)
        if "first-start" in board.rows:
            tree, data = place / "clone", place / "first" / "data"
            copy_tree(tree, plan.cache)
            data.parent.mkdir()
            with started(tree, data, environment) as first:
                board.add("first-start", OURS, first.figures)
        if set(ROWS) - {"first-start"} & set(board.rows):
            measure_warm(board, plan, place, environment, sink)


def measure_warm(board: Board, plan: Plan, place: Path, environment: Mapping[str, str], sink: Sink) -> None:
    """Starts of this tree, with its environment as it is; the first makes the data, and does not count."""
    data = place / "warm" / "data"
    data.parent.mkdir()
    with started(ROOT, data, environment):
        pass
    for number in range(plan.starts):
        with started(ROOT, data, environment) as warm:
            board.add("warm-start", OURS, warm.figures)
            if number == plan.starts - 1:
                measure_idle(board, plan, warm, sink)


def measure_idle(board: Board, plan: Plan, warm: Started, sink: Sink) -> None:
    time.sleep(SETTLE_SECONDS)
    if "idle-wire" in board.rows:
        board.add("idle-wire", OURS, time_posts(plan, warm, sink))
        time.sleep(SETTLE_SECONDS)
    if "footprint" in board.rows:
        board.add("footprint", OURS, measure_footprint(plan, warm))


def time_posts(plan: Plan, warm: Started, sink: Sink) -> dict[str, float | None]:
    """From the first byte of a POST until the sink has counted its mail, one at a time."""
    host = warm.ready["url"].removeprefix("http://")
    headers = {"Authorization": f"Bearer {warm.ready['api_key']}", "Content-Type": "application/json"}
    took = []
    for number in range(plan.idle_posts):
        # Not in step with any tick.
        time.sleep(random.uniform(0.2, 0.4))
        goal = sink.count + 1
        body = json.dumps(mails.build_plain(number))
        begun_at = time.perf_counter()
        with http_connection(host) as line:
            line.request("POST", "/api/v1/emails", body, headers)
            answer = line.getresponse()
            content = answer.read()
            if answer.status != 202:
                raise RuntimeError(f"POST /emails: {content!r}")
        sink.await_count(goal)
        took.append((time.perf_counter() - begun_at) * 1000)
    return {"p50_ms": median(took), "p95_ms": quantiles(took, n=20)[18]}


@contextmanager
def http_connection(host: str) -> Iterator[http.client.HTTPConnection]:
    line = http.client.HTTPConnection(host, timeout=30)
    try:
        yield line
    finally:
        line.close()


def measure_footprint(plan: Plan, warm: Started) -> dict[str, float | None]:
    before = cpu_seconds(warm.pid)
    time.sleep(plan.idle_seconds)
    after = cpu_seconds(warm.pid)
    sizes = [size for each in list_tree(warm.pid) if (size := pss_mb(each.pid))]
    used = None if before is None or after is None else (after - before) / plan.idle_seconds * 100
    return {"pss_mb": sum(sizes) or None, "processes": len(sizes), "core_percent": used}


def build_environment(place: Path, sink: Sink) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name not in NOT_GIVEN}
    caches = {name: str(place / "cache" / name) for name in CACHES}
    own = str(Path(sys.executable).parent)
    search = os.pathsep.join(part for part in given.get("PATH", "").split(os.pathsep) if part != own)
    service = {"PROVIDER_URL": f"smtp://127.0.0.1:{sink.port}?tls=never", "TRUSTED_SENDER_DOMAINS": "*"}
    return {**given, **caches, **service, "PATH": search}


def copy_tree(target: Path, left_out: Path) -> None:
    """The files of this tree that git knows or would add, as a fresh clone has them, but for a cache of ours in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        # One that was deleted may still be known to git.
        if path.is_file() and not path.is_relative_to(left_out.absolute()):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / name)
