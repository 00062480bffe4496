"""A million rows: claims, list pages, and a worker's memory; also claims behind a million that may not be claimed."""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.delivery import Sink
from bench.listing import build_queries, time_call
from bench.peers.figures import Board
from bench.peers.ground import Ground, Service, open_ground, open_service
from bench.peers.machine import list_tree, pss_mb
from bench.peers.plan import Plan
from bench.peers.rows.queue import start_filler
from bench.peers.wanted import (
    ADMIN_LIST,
    ADMIN_OVERVIEW,
    ADMIN_SEARCH,
    CLOSED_PROVIDER,
    DEEP_PAGE,
    FEW_DUE,
    FIRST_PAGE,
    HELD_DOMAIN,
    LARGE_MESSAGES,
    MANY_DUE,
    MANY_MESSAGES,
    SLOWEST_FILTER,
)
from drills.stand_ins.name_server import Names
from emailsvc.launcher.ports import held_port

ROWS = ("claim", "list", "memory")
DATABASE = "scale"
# Statements that lease recipients, however many steps a claim has; and the rows that they return.
CLAIMS = r"SKIP LOCKED.*lease_until\s*=\s*now\(\)\s*\+"
FIND_CLAIMS = """
SELECT COALESCE(sum(s.total_exec_time), 0), COALESCE(sum(s.rows), 0)
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = %s AND s.query ~ 'mail_recipient' AND s.query ~ %s
"""
# The recipients' domain of the million, its exchanger, and the loopback network that it may be on.
DOMAIN, EXCHANGER, NETWORK = "rcpt.test", "127.0.1.1", "127.0.1.0/24"
# The exchanger's refusals have held the domain when this is over.
HOLD_SECONDS = 6.0
SAMPLE_SECONDS = 0.25
# Queries of the list that filter nothing.
NO_FILTER = re.compile("^(offset|limit)=")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The service on its database, and the figures' place."""

    ground: Ground
    board: Board
    plan: Plan
    service: Service

    def measure_claims(self, side: str, refill: Callable[[], object] = lambda: None) -> None:
        """A worker delivers some of the mail that is due; the figure is PostgreSQL's time for 100 claimed.

        `refill` makes mail due before each round: a worker sends more than is waited for until it has stopped.
        """
        if "claim" not in self.board.rows:
            return
        for _ in range(self.plan.rounds):
            refill()
            with self.ground.connect_administrator(DATABASE) as connection:
                connection.execute("SELECT pg_stat_statements_reset()")
                with self.service.running_worker():
                    self.ground.sink.await_count(self.ground.sink.count + self.plan.claimed)
                found = connection.execute(FIND_CLAIMS, [DATABASE, f"(?s){CLAIMS}"]).fetchone()
            milliseconds, rows = map(float, found or (0, 0))  # type: ignore[arg-type]
            if not rows:
                raise LookupError("no statement leases recipients with SKIP LOCKED: see CLAIMS")
            self.board.add("claim", side, {"claim_ms": milliseconds / rows * 100})

    def measure_memory(self, side: str, count: int) -> None:
        """One worker child delivers `count` of the due messages."""
        if "memory" not in self.board.rows:
            return
        with self.service.running_worker(children=1) as worker, sampling(worker) as samples:
            self.ground.sink.await_count(self.ground.sink.count + count)
        self.board.add("memory", side, summarise(samples))


def summarise(samples: list[float]) -> dict[str, float | None]:
    """The most, and the growth from the second tenth to the last; the first tenth warms up."""
    tenth = max(len(samples) // 10, 1)
    if len(samples) < 3:
        return {}
    return {
        "most_mb": max(samples),
        "growth_mb": median(samples[-tenth:]) - median(samples[tenth : 2 * tenth] or samples[:tenth]),
    }


@contextmanager
def sampling(worker: int) -> Iterator[list[float]]:
    """The largest child's memory, several times a second."""
    samples: list[float] = []
    is_over = threading.Event()

    def sample() -> None:
        while not is_over.wait(SAMPLE_SECONDS):
            sizes = [size for each in list_tree(worker) if each.pid != worker and (size := pss_mb(each.pid))]
            samples.extend([max(sizes)] if sizes else [])

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        is_over.set()
        thread.join()


def measure(board: Board, plan: Plan, place: Path) -> None:
    with ExitStack() as stack:
        names = stack.enter_context(Names())
        names.start()
        ground = stack.enter_context(open_ground(place))
        settings = {"DNS_SERVERS": names.place, "MX_ALLOWED_NETWORKS": NETWORK}
        service = open_service(ground, DATABASE, 3, settings)
        with ground.connect_administrator(DATABASE) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        measure_rows(Scale(ground=ground, board=board, plan=plan, service=service), names, stack)


def measure_rows(scale: Scale, names: Names, stack: ExitStack) -> None:
    os.environ |= scale.service.environment
    from bench import listing_rows  # the settings are complete only now

    stack.callback(listing_rows.finish)
    plan = scale.plan
    listing = listing_rows.Listing(plan.few_due_rows, size=200, shares=1, status="queued")
    scale.measure_claims(FEW_DUE, partial(keep_due, scale, listing.extend, plan.few_due_rows))
    scale.service.make_key()
    listing.extend(plan.due_rows - plan.few_due_rows)
    scale.measure_claims(MANY_DUE)
    if "list" in scale.board.rows:
        measure_lists(scale, listing.ask, build_calls(listing, plan.due_rows))
        measure_admin(scale, listing_rows.make_staff_client())
    scale.measure_memory(MANY_MESSAGES, plan.worker_messages)
    scale.service.manage(
        "add_provider", "own", f"smtp://127.0.0.1:{scale.ground.sink.port}?tls=never", "--no-check", *OF_LISTED
    )
    scale.service.manage("pause_provider", "own", *OF_LISTED)
    filler = stack.enter_context(start_filler(scale.service))
    measure_behind(scale, filler.tell, CLOSED_PROVIDER)
    if "memory" in scale.board.rows:
        release(filler.tell, "large", plan.large_messages)
        scale.measure_memory(LARGE_MESSAGES, plan.large_messages)
    if "claim" in scale.board.rows:
        hold_domain(scale, names, stack)
        measure_behind(scale, filler.tell, HELD_DOMAIN)


def keep_due(scale: Scale, extend: Callable[[int], None], count: int) -> None:
    """Make as much mail due as is missing from `count`."""
    with scale.ground.connect_administrator(DATABASE) as connection:
        due = connection.execute("SELECT FROM mail_recipient WHERE next_attempt_at <= now()").rowcount
    missing = count - due
    if missing > 0:
        extend(missing)


OF_LISTED = ("--project", "listed")


def release(tell: Callable[[str], None], kind: str, count: int) -> None:
    tell(json.dumps(["fill", kind, count]))
    tell('["release"]')


def measure_behind(scale: Scale, tell: Callable[[str], None], side: str) -> None:
    """Another project's mail, which is due after the million."""
    if "claim" in scale.board.rows:
        scale.measure_claims(side, partial(release, tell, "plain", scale.plan.claimed))


def hold_domain(scale: Scale, names: Names, stack: ExitStack) -> None:
    """Let the million go straight to an exchanger that answers 421, until its domain is held."""
    port = stack.enter_context(held_port("0.0.0.0"))
    refusing = Sink(port, host=EXCHANGER, options=("-Q", "connect"))
    stack.callback(refusing.stop)
    names.tell(f"mx.{DOMAIN}", "A", EXCHANGER)
    names.tell(DOMAIN, "MX", f"10 mx.{DOMAIN}.")
    scale.service.manage("add_provider", "direct", f"mx:?port={port}", "--no-check", *OF_LISTED)
    with scale.service.running_worker():
        time.sleep(HOLD_SECONDS)


def build_calls(listing: object, rows: int) -> Mapping[str, str]:
    """The queries of the list: the first page, one as deep as it goes, and the filters; offsets are another way."""
    middle = listing.middle()  # type: ignore[attr-defined]
    queries = build_queries(middle, rows)
    filters = {name: query for name, query in queries.items() if query and "keyset" not in name}
    deep = listing.find_at(rows - 100)  # type: ignore[attr-defined]
    named = {f"filter: {name}": query for name, query in filters.items() if not NO_FILTER.match(query)}
    return {FIRST_PAGE: queries["first page"], DEEP_PAGE: f"after={deep}", **named}


def measure_lists(scale: Scale, ask: Callable[[str], int], queries: Mapping[str, str]) -> None:
    row = scale.board.rows["list"]
    for _ in range(scale.plan.page_calls):
        for side, query in queries.items():
            row.add(side, {"page_ms": time_call(partial(ask, query))})
    filters = [row.values(side, "page_ms") for side in queries if side.startswith("filter: ")]
    for value in max(filters, key=median):
        row.add(SLOWEST_FILTER, {"page_ms": value})


def measure_admin(scale: Scale, get: Callable[[str], object]) -> None:
    pages = {
        ADMIN_LIST: ["/admin/mail/message/"],
        ADMIN_SEARCH: [
            "/admin/mail/message/?q=rechnung",
            "/admin/mail/message/?q=user99",
            "/admin/mail/message/?q=order",
        ],
        ADMIN_OVERVIEW: ["/admin/"],
    }
    for _ in range(scale.plan.page_calls):
        for side, paths in pages.items():
            slowest = max(time_call(partial(get, path)) for path in paths)
            scale.board.add("list", side, {"page_ms": slowest})
