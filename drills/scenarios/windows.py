"""Kills at an exact point of the SMTP conversation: the sink holds its reply there, and the drill kills the worker.

Two chains run side by side, each on a lane with its own worker. A chain continues with its next mail when the
previous one is delivered, so that a kill hits no other mail of the worker.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from django.db import connection

from drills.harness.scene import Scene
from drills.stand_ins.rules import Act, Hold, SinkMail, Stage
from messages.states import Lane, OnUncertain, Status

KILLS = 20
# One of those that share workers: children of critical and of normal mail serve both lanes from the start, so that with
# a chain on each the kills of one would hit the other's mail.
LANES = (Lane.NORMAL, Lane.BULK)
# More than the kernel buffers for a sender whose receiver does not read.
LARGE_TEXT = "All of it. " * 180_000 + "\n"
LARGE_EVERY = 5
SMALL_BUFFER = 4096
# The number at the end of an address is the place of its policy here.
POLICIES = (OnUncertain.RETRY, OnUncertain.HOLD)

Play = Callable[[Scene, Lane, int], Sequence[str]]


def kill_in_window(scene: Scene) -> None:
    """SIGKILL when the sink has the mail and has not replied: `retry` sends again, `hold` waits for a person."""
    scene.open_sink(lambda stage, mail: Hold() if stage is Stage.DOT and not mail.earlier_count else None)
    play_chains(scene, post_both)
    copies = [mail.address for mail in scene.sink.taken]
    for place, policy in enumerate(POLICIES):
        doubled = sum(copies.count(address) - 1 for address in set(copies) if address.endswith(f"-{place}@drill.test"))
        scene.details[f"duplicates_{policy}"] = doubled
        wanted = KILLS if policy is OnUncertain.RETRY else 0
        scene.expect(doubled == wanted, f"{doubled} duplicates with on_uncertain {policy}, there must be {wanted}")
    scene.expect_statuses({Status.DELIVERED: KILLS, Status.DELIVERING: KILLS})


def post_both(scene: Scene, lane: Lane, number: int) -> Sequence[str]:
    """One mail for each policy; the mail that is retried comes first.

    They are posted in one request, so that one claim takes both: a worker whose time is over claims nothing more for a
    relay that keeps it waiting, as the sink does until it has both.
    """
    name = f"mail-{number}"
    scene.post_batch(len(POLICIES), name=name, each=[{"priority": lane, "on_uncertain": one} for one in POLICIES])
    return [f"{name}-{place}@drill.test" for place, _ in enumerate(POLICIES)]


def kill_before_dot(scene: Scene) -> None:
    """SIGKILL after DATA, or after part of the content, but before the dot: no duplicates."""
    scene.open_sink(stop_before_dot, receive_buffer=SMALL_BUFFER)
    play_chains(scene, post_one)
    scene.expect(len(scene.sink.taken) == KILLS, f"{len(scene.sink.taken)} mails in the sink, there must be {KILLS}")


def stop_before_dot(stage: Stage, mail: SinkMail) -> Act:
    wanted = Stage.CONTENT if mail.address.startswith("large") else Stage.DATA
    return Hold() if stage is wanted and not mail.earlier_count else None


def post_one(scene: Scene, lane: Lane, number: int) -> Sequence[str]:
    """A small mail, or one that is larger than the kernel's buffers."""
    is_large = number % LARGE_EVERY == 0
    address = f"{'large' if is_large else 'small'}-{number}@drill.test"
    scene.post(address, priority=lane, **({"text": LARGE_TEXT, "html": LARGE_TEXT} if is_large else {}))
    return [address]


def play_chains(scene: Scene, play: Play) -> None:
    """KILLS kills, divided among the lanes; the longest recovery counts."""

    def run(index: int) -> list[float]:
        try:
            return list(play_chain(scene, LANES[index], play, range(index, KILLS, len(LANES))))
        finally:
            connection.close()

    with ThreadPoolExecutor(len(LANES)) as chains:
        seconds = [second for chain in chains.map(run, range(len(LANES))) for second in chain]
    scene.details["kills"] = len(seconds)
    scene.wait_for_quiet(since=time.monotonic())
    scene.recovery_seconds = max(seconds)


def play_chain(scene: Scene, lane: Lane, play: Play, numbers: Iterable[int]) -> Iterator[float]:
    """Each round: mail, a kill when the sink holds all of it, a new worker; returns the seconds until it is sent."""
    worker = scene.stack.start("worker", "-Q", lane, "-c", "1")
    for number in numbers:
        addresses = play(scene, lane, number)
        scene.wait_for(partial(are_held, scene, addresses), f"mail {number} to be held")
        scene.stack.kill(worker)
        killed_at = time.monotonic()
        for address in addresses:
            scene.sink.held[address].release()
        worker = scene.stack.start("worker", "-Q", lane, "-c", "1")
        scene.wait_for(partial(is_delivered, scene, addresses[0]), f"{addresses[0]} to be delivered")
        yield time.monotonic() - killed_at


def are_held(scene: Scene, addresses: Collection[str]) -> bool:
    return scene.sink.held.keys() >= set(addresses)


def is_delivered(scene: Scene, address: str) -> bool:
    return scene.find_status(address) == Status.DELIVERED
