"""Isolation: bulk mail, slow relays and poison messages delay no other mail."""

import signal
import time

from django.conf import settings

from drills.harness.load import percentile
from drills.harness.processes import find_peer, list_children, send
from drills.harness.scene import Scene
from drills.stand_ins.rules import Act, Hold, SinkMail, Stage, Wait, as_usual
from messages.models import Recipient
from messages.sending.lost_leases import MAX_CRASHES
from messages.states import Lane, Status, StatusReason

BULK = 10_000
CRITICAL = 5
# This much bulk mail must go out meanwhile; the rest is left.
BULK_GOES_ON = 100
# The promise, from POST to the final dot.
CRITICAL_SECONDS = 1.0
# Thirty seconds, scaled: far longer than any mail of a good relay may take.
SLOW_SECONDS = 5.0
SLOW_MAILS = 100
# Children of the worker for critical and normal mail (emailsvc.launcher.processes).
CHILDREN = 2
FAST_RATE = 20.0
FAST_MAILS = 100
FAST_SECONDS = 1.0
NEIGHBOURS = 99
POISON = "poison-0@drill.test"


def lanes(scene: Scene) -> None:
    """10,000 bulk emails are queued: each critical email goes out within a second."""
    scene.open_sink()
    scene.fill(BULK, name="bulk", priority=Lane.BULK)
    scene.stack.start("worker")
    scene.stack.start("worker-bulk")
    scene.wait_for_mail(1)
    scene.warm_up()
    waits = [time_critical(scene, f"critical-{number}@drill.test") for number in range(CRITICAL)]
    scene.details |= {"critical_max_s": round(max(waits), 2), "bulk_waiting": scene.count_open()}
    scene.expect((scene.count_open() or 0) > BULK / 2, "too little bulk mail was left when the critical emails came")
    scene.expect(max(waits) < CRITICAL_SECONDS, f"a critical email was on the wire after {max(waits):.2f} s")
    scene.wait_for_mail(BULK_GOES_ON)
    scene.let_wait()


def time_critical(scene: Scene, address: str) -> float:
    """Seconds from the POST of a critical email to the sink's disk."""
    posted_at = time.monotonic()
    scene.post(address, priority=Lane.CRITICAL)
    scene.wait_for(lambda: scene.find_time(address), "a critical email in the sink")
    return scene.find_time(address) - posted_at


def slow_relay(scene: Scene) -> None:
    """One project's relay answers slowly; another project's mail, with another provider, is not delayed."""
    scene.open_sink()
    key, _ = scene.add_project("slow")
    slow = scene.open_sink(answer_late, project=key.project)
    scene.stack.start("worker")
    scene.warm_up()
    scene.fill(SLOW_MAILS, name="slow", key=key)
    scene.wait_for(
        lambda: len(slow.taken) >= CHILDREN * settings.SMTP_CONVERSATIONS, "the slow relay to have its hands full"
    )
    with scene.load(FAST_RATE, name="fast") as load:
        scene.wait_for_mail(FAST_MAILS)
    scene.note_load(load)
    scene.wait_for(lambda: all(scene.find_time(row.address) for row in load.accepted), "all fast mail in the sink")
    waits = [scene.find_time(address) - at for address, at in load.accepted_at.items()]
    slow.rule = as_usual
    scene.details |= {"p95_s": round(percentile(waits, 0.95), 2), "slowest_s": round(max(waits), 2)}
    scene.expect(percentile(waits, 0.95) < FAST_SECONDS, f"5 % of the others' mail took over {FAST_SECONDS} s")
    scene.wait_for_quiet(since=time.monotonic())


def answer_late(stage: Stage, _mail: SinkMail) -> Act:
    return Wait(SLOW_SECONDS) if stage is Stage.DOT else None


def poison(scene: Scene) -> None:
    """An email that kills every child that processes it is parked after five kills; other mail is delivered."""
    scene.open_sink(lambda stage, mail: Hold() if stage is Stage.RCPT and mail.address == POISON else None)
    scene.fill(NEIGHBOURS // 2, name="before")
    scene.fill(1, name="poison")
    scene.fill(NEIGHBOURS - NEIGHBOURS // 2, name="after")
    worker = scene.stack.start("worker")
    begun_at = time.monotonic()
    killed: list[int] = []
    scene.wait_for(lambda: kill_eater(scene, worker, killed), "the poison to be parked")
    scene.details["crashes"] = len(killed)
    scene.wait_for_quiet(since=begun_at)
    scene.expect(len(killed) == MAX_CRASHES, f"it took down {len(killed)} children")
    reason = Recipient.objects.get(address=POISON).status_reason
    scene.expect(reason == StatusReason.WORKER_CRASH, f"it was parked as {reason!r}")
    scene.expect_statuses({Status.DELIVERED: NEIGHBOURS, Status.FAILED: 1})


def kill_eater(scene: Scene, worker: int, killed: list[int]) -> bool:
    """Kill the child that has just sent the poison's address to the sink, if any; returns whether it is parked."""
    held = scene.sink.held.pop(POISON, None)
    if held is not None:
        eater = find_peer(held.mail.peer_port, list_children(worker))
        killed += [eater] if eater else []
        send(killed[-1:], signal.SIGKILL)
        held.release()
    return scene.find_status(POISON) == Status.FAILED
