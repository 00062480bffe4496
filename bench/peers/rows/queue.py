"""Rounds of sending: a filled queue to the sink, and mail accepted and delivered at once, beside the peers' queues."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from bench.batch import make_client
from bench.peers import mails
from bench.peers.figures import OURS, RATE, Board
from bench.peers.ground import Ground, Meter, Service, open_service
from bench.peers.http_load import HttpLoad
from bench.peers.mails import BATCH, LARGE_SIZE, SIZE
from bench.peers.others import SENDERS, Prepare, SkippedError
from bench.peers.plan import Plan
from bench.peers.talk import ProgramError, Talker, talking
from bench.peers.wanted import DEFAULTS, HARAKA, POSTFIX, TUNED, WIRE

# Each row of a filled queue: our kind of mail, and the peers with the size of theirs.
QUEUES = {
    "deliver-plain": ("plain", {WIRE: SIZE, DEFAULTS: SIZE, TUNED: SIZE, POSTFIX: SIZE, HARAKA: SIZE}),
    "deliver-tracked": ("tracked", {DEFAULTS: SIZE, TUNED: SIZE, POSTFIX: SIZE}),
    "deliver-template": ("template", {DEFAULTS: LARGE_SIZE, TUNED: LARGE_SIZE}),
}
# Each row of both at once: the kind of mail, and whether it comes in batches.
BOTH = {
    "both-batch": ("plain", True),
    "both-template": ("template", True),
    "both-single": ("plain", False),
    "both-tracked": ("tracked", False),
}
ROWS = (*QUEUES, *BOTH)
CLIENTS = 8
BATCH_CLIENTS = 2
WARM_MESSAGES = 2 * BATCH


@dataclass(frozen=True, kw_only=True)
class SendingSides:
    """Our service with web and worker, the peers that run here, and where the figures go."""

    ground: Ground
    board: Board
    plan: Plan
    meter: Meter
    filler: Talker
    port: int
    key: str
    peers: dict[str, Prepare] = field(default_factory=dict)

    def round(self) -> None:
        """One round of every row, each peer once for each size."""
        measured: dict[tuple[str, int], dict[str, float | None]] = {}
        for row, (kind, peers) in QUEUES.items():
            if row not in self.board.rows:
                continue
            self.board.add(row, OURS, self.deliver(kind, self.plan.messages[kind]))
            for side, size in peers.items():
                if (side, size) not in measured and side in self.peers:
                    measured[side, size] = self.relay(side, size)
                self.board.add(row, side, measured.get((side, size), {}))
        for row, (kind, is_batch) in BOTH.items():
            if row not in self.board.rows:
                continue
            self.board.add(row, OURS, self.pass_through(kind, self.plan.messages[row], is_batch=is_batch))
            if POSTFIX in self.peers and (POSTFIX, SIZE) not in measured:
                measured[POSTFIX, SIZE] = self.relay(POSTFIX, SIZE)
            self.board.add(row, POSTFIX, measured.get((POSTFIX, SIZE), {}))

    def deliver(self, kind: str, count: int) -> dict[str, float | None]:
        """Mail that waits in our queue becomes due at once."""
        self.filler.tell(json.dumps(["fill", kind, count]))
        return self.meter.measure(lambda: self._arrive(count, partial(self.filler.tell, '["release"]')))

    def relay(self, side: str, size: int) -> dict[str, float | None]:
        """Only a peer's rate: its processes are many, and not ours to count."""
        count = self.plan.messages[side]
        send = self.peers[side](count, size)
        return {RATE: Meter(ground=self.ground).measure(lambda: self._arrive(count, send))[RATE]}

    def pass_through(self, kind: str, count: int, *, is_batch: bool) -> dict[str, float | None]:
        """Mail is posted, and the clock runs until the last has arrived."""
        posts = count // BATCH if is_batch else count
        build = mails.batch_posts if is_batch else mails.single_posts
        ready = list(islice(build(kind, self.key), posts))
        load = HttpLoad(port=self.port, clients=BATCH_CLIENTS if is_batch else CLIENTS)
        return self.meter.measure(lambda: self._arrive(count, partial(load.run, iter(ready), count=posts)))

    def _arrive(self, count: int, send: Callable[[], object]) -> int:
        goal = self.ground.sink.count + count
        send()
        self.ground.sink.await_count(goal)
        return count

    def warm(self) -> None:
        """Caches and connections of a service that has run for a while."""
        for kind in ("plain", "tracked", "template"):
            self.deliver(kind, WARM_MESSAGES)


@contextmanager
def open_stage(ground: Ground, board: Board, plan: Plan) -> Iterator[SendingSides]:
    """Start our service and the peers; a peer that cannot run is skipped in each of its rows."""
    service = open_service(ground, "deliver", 1)
    with ExitStack() as stack:
        peers = dict(start_peers(ground, board, plan, stack))
        port, web = stack.enter_context(service.running_web())
        worker = stack.enter_context(service.running_worker())
        filler = stack.enter_context(start_filler(service))
        key = service.make_key()
        publish_templates(port, key)
        filler.tell('["sign"]')
        filler.tell('["await_worker"]')
        meter = Meter(ground=ground, own=(web, worker))
        sides = SendingSides(
            ground=ground, board=board, plan=plan, meter=meter, filler=filler, port=port, key=key, peers=peers
        )
        sides.warm()
        yield sides


def start_filler(service: Service) -> AbstractContextManager[Talker]:
    return talking([sys.executable, "-m", "bench.peers.programs.filler"], service.environment)


def publish_templates(port: int, key: str) -> None:
    call = make_client(port, key)
    for alias in mails.TEMPLATES:
        call("/templates", mails.build_template(alias))
        call(f"/templates/{alias}/publish", {})


def start_peers(ground: Ground, board: Board, plan: Plan, stack: ExitStack) -> Iterator[tuple[str, Prepare]]:
    rows_of = {side: [row for row, (_, peers) in QUEUES.items() if side in peers] for side in SENDERS}
    rows_of[POSTFIX] += BOTH
    for side, start in SENDERS.items():
        if not set(rows_of[side]) & set(board.rows):
            continue
        try:
            yield side, stack.enter_context(start(ground, plan.cache))
        except (SkippedError, ProgramError, TimeoutError) as error:
            for row in rows_of[side]:
                board.skip(row, side, str(error))
