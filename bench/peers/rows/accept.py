"""Rounds of accepting: single posts and batches over HTTP, beside a bare DRF view, a bare INSERT and a bare COPY.

Our web server runs without a worker here: what is accepted stays. Two web processes, eight clients, 5 KB of text.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from statistics import quantiles

import psycopg

from bench.accept import BARE_TABLE, Client, inserting, measure
from bench.peers import mails
from bench.peers.figures import OURS, RATE, Board
from bench.peers.ground import Ground, Meter, open_service, running
from bench.peers.http_load import HttpLoad, build_request
from bench.peers.mails import BATCH, SIZE
from bench.peers.plan import Plan
from bench.peers.rows.queue import BATCH_CLIENTS, CLIENTS, publish_templates
from bench.peers.wanted import BARE_COPY, BARE_INSERT, DRF
from common.ids import new_id
from emailsvc.launcher.ports import listen

ROWS = ("accept-single", "accept-tracked", "accept-batch")
DRF_TABLE = (
    "CREATE TABLE bench_drf (id uuid PRIMARY KEY, from_address text NOT NULL, to_address text NOT NULL,"
    " subject text NOT NULL, text text NOT NULL)"
)
DRF_DATABASE = "drf"
# Kept connections and two processes, as ours has; sync workers would open a connection for each request.
DRF_SERVER = (
    *("-m", "gunicorn", "bench.peers.programs.bare_view:application", "-w", "2", "-k", "gthread"),
    *("--log-level", "warning", "--no-control-socket", "--keep-alive", "30"),
)
WARM_SECONDS = 0.5
# Requests that are built before the clock runs; more are built while it runs, at 0.1 ms each.
READY_SECONDS_EACH = 400
Figures = dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Doors:
    """The sides: our web server and the peers' doors."""

    ground: Ground
    board: Board
    plan: Plan
    meter: Meter
    key: str
    port: int
    drf_port: int

    def round(self) -> None:
        for row, sides in self.sides().items():
            if row in self.board.rows:
                for side, work in sides.items():
                    self.board.add(row, side, work())

    def sides(self) -> dict[str, dict[str, Callable[[], Figures]]]:
        single, batch = HttpLoad(port=self.port, clients=CLIENTS), HttpLoad(port=self.port, clients=BATCH_CLIENTS)
        bare, bare_batch = (
            HttpLoad(port=self.drf_port, clients=CLIENTS),
            HttpLoad(port=self.drf_port, clients=BATCH_CLIENTS),
        )
        drf = Meter(ground=self.ground)
        return {
            "accept-single": {
                OURS: lambda: self.post(self.meter, single, mails.single_posts("plain", self.key)),
                DRF: lambda: self.post(drf, bare, repeat(build_bare())),
                BARE_INSERT: lambda: self.write(partial(inserting, self.url), CLIENTS, 1),
            },
            "accept-tracked": {
                OURS: lambda: self.post(self.meter, single, mails.single_posts("tracked", self.key)),
            },
            "accept-batch": {
                OURS: lambda: self.post(self.meter, batch, mails.batch_posts("plain", self.key), BATCH),
                DRF: lambda: self.post(drf, bare_batch, repeat(build_bare_batch()), BATCH),
                BARE_COPY: lambda: self.write(partial(copying, self.url), BATCH_CLIENTS, BATCH),
            },
        }

    @property
    def url(self) -> str:
        return self.ground.name_database(DRF_DATABASE)

    def post(self, meter: Meter, load: HttpLoad, requests: Iterator[bytes], messages: int = 1) -> Figures:
        """The rate in messages, and the 99th percentile of a request."""
        load.run(requests, seconds=WARM_SECONDS)
        took: list[float] = []
        ready = mails.prepare(requests, max(int(READY_SECONDS_EACH * self.plan.seconds / messages), 1))

        def work() -> int:
            took.extend(load.run(ready, seconds=self.plan.seconds))
            return len(took) * messages

        return meter.measure(work) | {"p99_ms": find_p99(took)}

    def write(self, build: Callable[[], Client], clients: int, messages: int) -> Figures:
        found = measure(build, clients, self.plan.seconds)
        return {RATE: found.per_second * messages, "p99_ms": found.p99_ms}


def find_p99(took: list[float]) -> float | None:
    return quantiles(took, n=100)[98] * 1000 if len(took) > 1 else None


def build_bare() -> bytes:
    return build_request("/emails", json.dumps(mails.build_plain(1)).encode())


def build_bare_batch() -> bytes:
    return build_request("/emails/batch", json.dumps([mails.build_plain(1)] * BATCH).encode())


def copying(url: str) -> Client:
    """A connection of its own that copies a batch of rows and commits, in a loop."""
    line = psycopg.connect(url, autocommit=True)
    body = "x" * SIZE

    def copy(until: float) -> list[float]:
        took = []
        while (begun_at := time.perf_counter()) < until:
            with line.cursor() as cursor, cursor.copy("COPY bench_bare (id, body) FROM STDIN") as rows:
                for _ in range(BATCH):
                    rows.write_row((new_id(), body))
            took.append(time.perf_counter() - begun_at)
        return took

    return copy


@contextmanager
def open_doors(ground: Ground, board: Board, plan: Plan) -> Iterator[Doors]:
    service = open_service(ground, "accept", 2)
    with ground.connect(DRF_DATABASE) as connection:
        connection.execute(BARE_TABLE)
        connection.execute(DRF_TABLE)
    with ExitStack() as stack:
        port, web = stack.enter_context(service.running_web())
        key = service.make_key()
        publish_templates(port, key)
        held = stack.enter_context(listen(0))
        environment = {**service.environment, **ground.client_environment(DRF_DATABASE)}
        threads = ("--threads", str(CLIENTS), "--bind", f"fd://{held.fileno()}")
        stack.enter_context(running(environment, *DRF_SERVER, *threads, held=held.fileno()))
        yield Doors(
            ground=ground,
            board=board,
            plan=plan,
            meter=Meter(ground=ground, own=(web,)),
            key=key,
            port=port,
            drf_port=held.getsockname()[1],
        )
