"""Requests per second of POST /emails with 8 and 50 clients, beside a bare INSERT and commit of the same size.

Both run in the same rounds against the same PostgreSQL: the ratio says how much of what the database can take is left
when a request has been read, checked, stored with its recipients and events, and answered. The web server is the one
that production runs; clients keep their connections, as SDKs do.
"""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from statistics import median, quantiles
from threading import Barrier, Thread

import psycopg

from bench.measure import Options
from bench.service import ROOT, running_database
from common.ids import new_id
from emailsvc.launcher.ports import listen

CLIENTS = (8, 50)
ROUNDS = 3
SECONDS = 4.0
SIZE = 5_000
BARE_TABLE = "CREATE TABLE bench_bare (id uuid PRIMARY KEY, body text NOT NULL, at timestamptz DEFAULT now())"
# One client's loop: takes the end time, returns the seconds that each of its requests took.
Client = Callable[[float], list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One side of one round."""

    per_second: float
    p99_ms: float


def run(options: Options) -> None:
    with running_database(options):
        from bench import accepting  # the settings are complete only now

        token = accepting.prepare()
        with running_web(options.port or 0) as port:
            sides = {
                "POST /emails": lambda: posting(port, token),
                "bare INSERT and commit": lambda: inserting(os.environ["DATABASE_URL"]),
            }
            for count in CLIENTS:
                report(count, {name: [measure(build, count) for _ in range(ROUNDS)] for name, build in sides.items()})
        accepting.finish()


def report(count: int, figures: dict[str, list[Figures]]) -> None:
    for name, rounds in figures.items():
        rates = [each.per_second for each in rounds]
        p99 = median(each.p99_ms for each in rounds)
        print(
            f"  {count:>2} clients  {name:<24} {median(rates):>6.0f} /s [{min(rates):.0f}-{max(rates):.0f}]"
            f"   p99 {p99:>6.1f} ms"
        )
    ours, bare = (median(each.per_second for each in rounds) for rounds in figures.values())
    print(f"  {count:>2} clients  ratio {ours / bare:.2f}")


def measure(build: Callable[[], Client], count: int, seconds: float = SECONDS) -> Figures:
    """Run `count` clients at once for some seconds."""
    barrier = Barrier(count + 1)
    took: list[list[float]] = [[] for _ in range(count)]

    def work(number: int) -> None:
        client = build()
        client(time.perf_counter() + 0.2)
        barrier.wait()
        took[number] = client(time.perf_counter() + seconds)

    threads = [Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    barrier.wait()
    begun_at = time.perf_counter()
    for thread in threads:
        thread.join()
    every = list(chain.from_iterable(took))
    return Figures(per_second=len(every) / (time.perf_counter() - begun_at), p99_ms=quantiles(every, n=100)[98] * 1000)


def posting(port: int, token: str) -> Client:
    """A client of the API with its own connection."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    email = {"from_": "Shop <shop@bench.test>", "to": "jo@rcpt.test", "subject": "Your order", "text": "x" * SIZE}
    body = json.dumps(email).encode()

    def post(until: float) -> list[float]:
        took = []
        while (begun_at := time.perf_counter()) < until:
            line.request("POST", "/api/v1/emails", body, headers)
            answer = line.getresponse()
            content = answer.read()
            assert answer.status == 202, content
            took.append(time.perf_counter() - begun_at)
        return took

    return post


def inserting(url: str, size: int = SIZE) -> Client:
    """A connection of its own that inserts a row and commits, in a loop."""
    line = psycopg.connect(url, autocommit=True)
    body = "x" * size

    def insert(until: float) -> list[float]:
        took = []
        while (begun_at := time.perf_counter()) < until:
            line.execute("INSERT INTO bench_bare (id, body) VALUES (%s, %s)", [new_id(), body])
            took.append(time.perf_counter() - begun_at)
        return took

    return insert


@contextmanager
def running_web(port: int) -> Iterator[int]:
    """gunicorn as in production, ready to answer; returns its port. 0 takes any."""
    command = [sys.executable, "-m", "gunicorn", "emailsvc.wsgi:application", "-c", "emailsvc/web/gunicorn_config.py"]
    with listen(port) as held:
        number, descriptor = held.getsockname()[1], held.fileno()
        process = subprocess.Popen([*command, "--bind", f"fd://{descriptor}"], cwd=ROOT, pass_fds=[descriptor])
        try:
            await_web(number, process)
            yield number
        finally:
            process.terminate()
            process.wait()


def await_web(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            line.request("GET", "/healthz")
            if line.getresponse().status == 200:
                return
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.1)
        finally:
            line.close()
