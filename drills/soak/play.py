"""A soak: everything runs for minutes under a mixed load, with a fault now and then, and nothing may grow."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf

from django.db import OperationalError, connection
from django.db.models import Q

from drills.harness.processes import list_children, send
from drills.harness.scene import Scene
from drills.harness.stack import NotUpError
from drills.scenarios.crashes import answer_slowly
from drills.scenarios.endpoints import add_endpoint, count_pending
from drills.soak.curves import Bound
from drills.soak.mixed_load import MixedLoad
from drills.soak.sampling import Sampler
from drills.stand_ins.webhook_receiver import Receiver
from messages.models import Message, Recipient
from messages.states import Status
from messages.tasks import keep_months, purge_feedback, purge_idempotency_keys, purge_requests, purge_what_is_over
from webhooks.tasks import purge_deliveries

RATE = 6.0
SAMPLE_SECONDS = 3.0
# A fault comes after so many seconds, at random between these.
FAULT_SECONDS = (8.0, 20.0)
PROGRAMS = ("worker", "worker-bulk", "worker-webhooks", "beat")
# What mail, its events and its webhook deliveries take on the disk; beside it, what PostgreSQL keeps to reuse.
DISK_BYTES_PER_MAIL = 40_000
DISK_ROOM_MB = 64.0
QUIET_SECONDS = 120.0
UPKEEP = (keep_months, purge_what_is_over, purge_feedback, purge_idempotency_keys, purge_requests, purge_deliveries)


def soak(scene: Scene, minutes: float) -> None:
    """Load and faults for `minutes`, then quiet; the curves are the scene's details at its end."""
    number = time.time_ns() & 0xFFFFFFFF
    random.seed(number)
    scene.details["seed"] = number
    receiver = scene.keep_open(Receiver())
    scene.open_sink(answer_slowly)
    pids = {name: scene.stack.start(name) for name in PROGRAMS}
    add_endpoint(scene, receiver, "/soak")
    scene.warm_up()
    faults: Counter[str] = Counter()
    until = time.monotonic() + minutes * 60
    with Sampler(scene.stack, SAMPLE_SECONDS) as sampler, MixedLoad(scene, RATE) as load:
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, random.uniform(*FAULT_SECONDS)))
            if time.monotonic() < until:
                name = random.choice(list(FAULTS))
                FAULTS[name](scene, pids)
                faults[name] += 1
                keep_up()
    ended_at = time.monotonic()
    scene.accepted += load.accepted
    scene.details |= {"faults": dict(faults), "requests": dict(load.sent)}
    scene.expect(not load.unanswered, f"requests were not answered as documented: {dict(load.unanswered)}")
    wait_while_mail_ends(scene)
    scene.wait_for_quiet(since=ended_at)
    scene.wait_for(lambda: count_pending(scene) == 0, "every webhook to be delivered", QUIET_SECONDS)
    judge_ends(scene, load, receiver)
    judge_curves(scene, sampler)


def wait_while_mail_ends(scene: Scene) -> None:
    """Until nothing is open, or nothing has ended for QUIET_SECONDS: a soak promises no pace, and on a busy machine the
    load leaves a backlog.
    """
    left: float = inf
    with suppress(NotUpError):
        while left := wait_for_fewer(scene, left):
            pass


def wait_for_fewer(scene: Scene, count: float) -> int:
    """The number of open recipients once it is below `count`. Raises NotUpError after QUIET_SECONDS."""
    found: list[int] = []

    def is_below() -> bool:
        now = scene.count_open()
        if now is None or now >= count:
            return False
        found.append(now)
        return True

    scene.wait_for(is_below, "more mail to end", QUIET_SECONDS)
    return found[-1]


def kill_worker_program(scene: Scene, pids: dict[str, int]) -> None:
    scene.stack.kill(pids["worker"])
    pids["worker"] = scene.stack.start("worker")


def kill_worker_child(_scene: Scene, pids: dict[str, int]) -> None:
    send(list_children(pids["worker"])[:1], signal.SIGKILL)


def restart_redis(scene: Scene, _pids: dict[str, int]) -> None:
    scene.stack.kill_server("valkey", signal.SIGTERM)
    scene.stack.restart_server("valkey")


def restart_postgres(scene: Scene, _pids: dict[str, int]) -> None:
    scene.stack.kill_server("postgres", signal.SIGQUIT)
    scene.stack.restart_server("postgres")


FAULTS: Mapping[str, Callable[[Scene, dict[str, int]], None]] = {
    "kill-worker": kill_worker_program,
    "kill-child": kill_worker_child,
    "redis-restart": restart_redis,
    "postgres-restart": restart_postgres,
}


def keep_up() -> None:
    """Retention and partitions now, which an installation works on once in minutes or hours."""
    connection.close()
    for task in UPKEEP:
        try:
            task()
        except OperationalError:
            # The server has just begun again: the next round is as good.
            connection.close()


def judge_ends(scene: Scene, load: MixedLoad, receiver: Receiver) -> None:
    """All mail is delivered but what was cancelled, and every end was told to the endpoint."""
    connection.close()
    kept = Message.objects.filter(pk__in=load.cancelled, status=Status.CANCELLED).count()
    scene.expect(kept == len(load.cancelled), f"{len(load.cancelled) - kept} cancels did not hold")
    rows = Recipient.objects.filter(project__in=scene.projects)
    others = rows.exclude(Q(status=Status.DELIVERED) | Q(message_id__in=load.cancelled)).count()
    scene.expect(not others, f"{others} recipients ended neither delivered nor cancelled")
    scene.expect_statuses({Status.DELIVERED: rows.count() - kept, Status.CANCELLED: kept})
    delivered = set(rows.filter(status=Status.DELIVERED).values_list("address", flat=True))
    told = {post.recipient for post in receiver.heard("/soak") if post.is_taken}
    scene.expect(delivered <= told, f"the endpoint was not told of {len(delivered - told)} ends")


def judge_curves(scene: Scene, sampler: Sampler) -> None:
    """Print each curve; one that grows is a violation."""
    mails = len(scene.accepted)
    # From the second quarter's middle to the last one's lies half of the time.
    room = DISK_ROOM_MB + mails / 2 * DISK_BYTES_PER_MAIL / 1024 / 1024
    for curve in sampler.list_curves(Bound(share=0.0, room=room)):
        print(curve.as_row(), flush=True)
        scene.expect(curve.is_flat, f"{curve.name} grows by {curve.growth:.0f} {curve.unit}")
