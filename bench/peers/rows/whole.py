"""`./run` as its users start it: first start, warm starts, idle footprint, and a lone POST's way to the wire."""

import http.client
import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

from bench.delivery import Sink
from bench.footprint import (
    SETTLE_SECONDS,
    Start,
    build_environment,
    copy_tree,
    cpu_seconds,
    list_descendants,
    pss_megabytes,
    running,
)
from bench.measure import Options
from bench.peers import mails
from bench.peers.figures import OURS, Board
from bench.peers.plan import Plan
from bench.service import ROOT
from emailsvc.launcher.ports import held_port

ROWS = ("first-start", "warm-start", "idle-wire", "footprint")


def measure(board: Board, plan: Plan, place: Path) -> None:
    """Starts of a copy of this tree. Where the first start is not asked for, the copy has this tree's environment."""
    with ExitStack() as stack:
        sink = Sink(stack.enter_context(held_port()))
        stack.callback(sink.stop)
        provider = {"PROVIDER_URL": f"smtp://127.0.0.1:{sink.port}?tls=never", "TRUSTED_SENDER_DOMAINS": "*"}
        environment = build_environment(place) | provider
        copy_tree(place / "clone")
        if "first-start" not in board.rows:
            (place / "clone" / ".venv").symlink_to(ROOT / ".venv")
        with running(place, Options(), environment) as (first, _):
            board.add("first-start", OURS, describe_start(first))
        if set(ROWS) - {"first-start"} & set(board.rows):
            measure_warm(board, plan, place, environment, sink)


def describe_start(start: Start) -> dict[str, float | None]:
    return {"seconds": start.wall_seconds, "cpu_seconds": start.cpu_seconds}


def measure_warm(board: Board, plan: Plan, place: Path, environment: Mapping[str, str], sink: Sink) -> None:
    for number in range(plan.starts):
        with running(place, Options(), environment) as (warm, pid):
            board.add("warm-start", OURS, describe_start(warm))
            if number < plan.starts - 1:
                continue
            time.sleep(SETTLE_SECONDS)
            if "idle-wire" in board.rows:
                ready = json.loads((place / "data" / "ready.json").read_text())
                board.add("idle-wire", OURS, time_posts(plan, ready, sink))
            if "footprint" in board.rows:
                time.sleep(SETTLE_SECONDS)
                board.add("footprint", OURS, measure_footprint(plan, pid))


def time_posts(plan: Plan, ready: Mapping[str, str], sink: Sink) -> dict[str, float | None]:
    """From the first byte of a POST until the sink has counted its mail, one at a time."""
    host = ready["url"].removeprefix("http://")
    headers = {"Authorization": f"Bearer {ready['api_key']}", "Content-Type": "application/json"}
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


def measure_footprint(plan: Plan, pid: int) -> dict[str, float | None]:
    before, begun_at = cpu_seconds(pid), time.monotonic()
    time.sleep(plan.idle_seconds)
    share = (cpu_seconds(pid) - before) / (time.monotonic() - begun_at) * 100
    members = list_descendants(pid)
    return {"pss_mb": sum(map(pss_megabytes, members)), "processes": len(members), "core_percent": share}
