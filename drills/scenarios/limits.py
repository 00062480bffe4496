"""Limits by day and by second under many clients, with and without Redis: what is accepted is counted."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from http import HTTPStatus
from threading import Lock

from accounts.installation.limits import LimitValues, set_limits
from accounts.models import ApiKey
from drills.harness.load import build_email, read_accepted
from drills.harness.processes import list_children
from drills.harness.scene import Scene
from ledger.redis_state import PAUSE_SECONDS

TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS
CLIENTS = 20
PER_DAY = 150
PER_SECOND = 40
SECONDS = 6.0
# A slow machine needs this long for the messages of a day.
PATIENCE = 90.0
# A refused client asks again after this time.
REST = 0.02
# What may be accepted beyond the limit or short of it.
TOLERANCE = 0.01


class Count:
    """The answers of `CLIENTS` clients, and the time from the first request to the last accepted one."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.longest = 0.0
        self.begun_at = time.monotonic()
        self.last_at = self.begun_at
        self._lock = Lock()

    @property
    def accepted(self) -> int:
        return self.statuses[HTTPStatus.ACCEPTED]

    def note(self, status: int, seconds: float) -> None:
        with self._lock:
            self.statuses[status] += 1
            self.longest = max(self.longest, seconds)
            if status == HTTPStatus.ACCEPTED:
                self.last_at = time.monotonic()

    def grant(self, per_second: int) -> float:
        """What a bucket of one second's worth lets through until the last accepted request."""
        return per_second * (self.last_at - self.begun_at + 1)


def limits(scene: Scene) -> None:
    """20 clients against a limit: by day exactly as many, by second within 1 %; Redis is killed in the middle."""
    scene.open_sink()
    scene.stack.start("worker")
    key, token = scene.add_project("by day")
    restrict(key, LimitValues(messages_per_day=PER_DAY))
    by_day = post_for(scene, token, PATIENCE, is_done=lambda count: count.statuses[TOO_MANY] >= 5 * CLIENTS)
    scene.expect(by_day.accepted == PER_DAY, f"{by_day.accepted} messages of {PER_DAY} a day were accepted")
    key, token = scene.add_project("by second")
    restrict(key, LimitValues(messages_per_second=PER_SECOND))
    for name in ("before", "without_redis", "after"):
        # Without Redis each web process applies the whole limit.
        processes = sum(len(list_children(pid)) for pid in scene.stack.webs) if name == "without_redis" else 1
        with scene.stack.killed_server("valkey") if name == "without_redis" else nullcontext():
            count = post_for(scene, token, SECONDS)
        # Each process asks the restarted Redis again after its pause.
        time.sleep(PAUSE_SECONDS + 1 if name == "without_redis" else 0)
        granted = count.grant(PER_SECOND) * processes
        scene.details[name] = {
            "accepted": count.accepted,
            "granted": round(granted, 1),
            "max_ms": round(count.longest * 1000),
        }
        # The bucket counts in whole messages, in each process.
        most = granted * TOLERANCE + processes
        scene.expect(abs(count.accepted - granted) <= most, f"{name}: {count.accepted} of {granted:.1f} were accepted")
        wrong = set(count.statuses) - {HTTPStatus.ACCEPTED, TOO_MANY}
        scene.expect(not wrong, f"{name}: answers {sorted(wrong)}")
    scene.wait_for_quiet(since=time.monotonic())


def restrict(key: ApiKey, values: LimitValues) -> None:
    """Limit the key's project, and let the web processes notice it."""
    set_limits("drill", key.owner, values)
    time.sleep(2.0)


def post_for(scene: Scene, token: str, seconds: float, is_done: Callable[[Count], bool] = lambda _: False) -> Count:
    """Post emails from all clients for this time, or until it is done."""
    count, until = Count(), time.monotonic() + seconds
    lock = Lock()

    def run(number: int) -> None:
        with scene.client(token) as client:
            while time.monotonic() < until and not is_done(count):
                reply = client.post("/emails", build_email(f"limit-{number}-{time.monotonic_ns()}@drill.test"))
                count.note(reply.status, reply.seconds)
                if reply.status == HTTPStatus.ACCEPTED:
                    with lock:
                        scene.accepted += read_accepted(reply.body)
                else:
                    time.sleep(REST)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(run, range(CLIENTS)))
    return count
