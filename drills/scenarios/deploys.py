"""Deployments under load, and large batches."""

import time
from collections.abc import Iterable, Mapping

from drills.harness.ground import AS_USUAL
from drills.harness.processes import list_family, read_peak, read_size, reset_peak
from drills.harness.scene import Scene

RATE = 20.0
DEPLOYS = 5
MAILS_BETWEEN = 15
BATCHES = 20
PATIENCE_SECONDS = 120.0
BATCH = 500
# 5 KB each, as PEERS measure.
TEXT = "Everything that you have ordered is on its way to you.\n" * 90
# Allowed growth of a process over twenty batches, measured after the first two; and its allowed peak.
GROWTH_MB = 64
MOST_MB = 400


def deploy(scene: Scene) -> None:
    """SIGTERM to workers and web server under load, five times, each with a new one started before or after."""
    scene.open_sink()
    worker = scene.stack.start("worker")
    scene.warm_up()
    with scene.load(RATE, is_persistent=True) as load:
        for number in range(DEPLOYS):
            scene.wait_for_mail(MAILS_BETWEEN)
            # In turns: new programs start beside the old ones, or after them.
            is_rolling = number % 2 == 0
            old, worker = worker, scene.stack.start("worker") if is_rolling else 0
            old_web = scene.stack.webs[0]
            scene.stack.start_web()
            scene.stack.end(old_web)
            scene.stack.end(old)
            worker = worker or scene.stack.start("worker")
            deployed_at = time.monotonic()
        scene.wait_for_mail(MAILS_BETWEEN)
    scene.note_load(load)
    scene.details |= {"max_ms": round(max(load.seconds) * 1000), "asked_again": load.repeat_count}
    scene.expect(not load.refused, f"some POSTs were not answered 202: {dict(load.refused)}")
    scene.wait_for_quiet(since=deployed_at)
    scene.limit_duplicates(0)


def ten_thousand(scene: Scene) -> None:
    """10,000 recipients in batches of 500: no process grows with them."""
    scene.open_sink()
    worker = scene.stack.start("worker", settings=AS_USUAL)
    scene.warm_up()
    for number in range(2):
        scene.post_batch(BATCH, name=f"first{number}", each=[{"text": TEXT}] * BATCH)
    scene.wait_for_quiet(since=time.monotonic())
    programs = {"web": scene.stack.webs, "worker": [worker]}
    before = {name: measure_memory(pids) for name, pids in programs.items()}
    begun_at = time.monotonic()
    for number in range(2, BATCHES):
        scene.post_batch(BATCH, name=f"batch{number}", each=[{"text": TEXT}] * BATCH)
    accepted_at = time.monotonic()
    scene.wait_for_quiet(since=accepted_at, seconds=PATIENCE_SECONDS)
    count = (BATCHES - 2) * BATCH
    scene.details |= {
        "accepted_per_s": round(count / (accepted_at - begun_at)),
        "delivered_per_s": round(count / (time.monotonic() - begun_at)),
    }
    for name, sizes in before.items():
        peaks = {pid: read_peak(pid) for pid in sizes}
        grown, most = max(peaks[pid] - size for pid, size in sizes.items()), max(peaks.values())
        scene.details |= {f"{name}_mb": round(most), f"{name}_grown_mb": round(grown)}
        scene.expect(grown < GROWTH_MB, f"a process of {name} has grown by {grown:.0f} MB")
        scene.expect(most < MOST_MB, f"a process of {name} has needed {most:.0f} MB")


def measure_memory(programs: Iterable[int]) -> Mapping[int, float]:
    """The size of each process in MB; resets its peak."""
    pids = [member for pid in programs for member in list_family(pid)]
    for pid in pids:
        reset_peak(pid)
    return {pid: read_size(pid) for pid in pids}
