"""Failures of the broker: lost wake-ups, a stopped server, a silent server."""

import signal
import time
from contextlib import AbstractContextManager

from drills.harness.ground import AS_USUAL
from drills.harness.scene import Scene
from drills.harness.stack import flush_all

QUEUED = 500
RATE = 20.0
DOWN_SECONDS = 8.0
STOPPED_SECONDS = 6.0
RESTARTS = 3
MAILS_BETWEEN = 15
# The promises: no POST takes longer, and mail goes out again within this time.
POST_SECONDS = 1.0
RETURN_SECONDS = 5.0


def flushall(scene: Scene) -> None:
    """FLUSHALL with 500 queued recipients and no worker, and again during their delivery."""
    scene.open_sink()
    scene.post_batch(QUEUED)
    flush_all()
    scene.stack.start("worker")
    scene.wait_for_mail(QUEUED // 5)
    flush_all()
    scene.wait_for_quiet(since=time.monotonic())


def redis_down(scene: Scene) -> None:
    """The broker is killed and stays away under load: every POST quickly gets 202, and mail goes out later."""
    scene.open_sink()
    scene.stack.start("worker", settings=AS_USUAL)
    play_outage(scene, scene.stack.killed_server("valkey"), DOWN_SECONDS)


def redis_stopped(scene: Scene) -> None:
    """The broker accepts connections and answers nothing (SIGSTOP): the same promises hold."""
    scene.open_sink()
    scene.stack.start("worker", settings=AS_USUAL)
    play_outage(scene, scene.stack.stopped_server("valkey"), STOPPED_SECONDS)


def redis_restart(scene: Scene) -> None:
    """The broker is shut down cleanly and restarted, three times under load."""
    scene.open_sink()
    scene.stack.start("worker", settings=AS_USUAL)
    scene.warm_up()
    with scene.load(RATE) as load:
        for _ in range(RESTARTS):
            scene.wait_for_mail(MAILS_BETWEEN)
            scene.stack.kill_server("valkey", signal.SIGTERM)
            scene.stack.restart_server("valkey")
            restarted_at = time.monotonic()
        scene.wait_for_mail(MAILS_BETWEEN)
    scene.note_load(load)
    scene.details["max_ms"] = round(max(load.seconds) * 1000)
    scene.expect(not load.refused, f"some POSTs were not answered 202: {dict(load.refused)}")
    scene.expect(max(load.seconds) < POST_SECONDS, f"a POST took {max(load.seconds):.2f} s")
    scene.wait_for_quiet(since=restarted_at)
    arrived = {mail.address: mail.at for mail in scene.sink.taken}
    waits = [max(0.0, arrived[row.address] - max(load.accepted_at[row.address], restarted_at)) for row in load.accepted]
    scene.details["all_mail_s"] = round(max(waits), 2)
    scene.expect(max(waits) < RETURN_SECONDS, f"mail went out {max(waits):.1f} s after the broker's return")


def play_outage(scene: Scene, outage: AbstractContextManager[None], seconds: float) -> None:
    """Load before, during and after the outage; mail accepted without the broker must go out soon afterwards."""
    scene.warm_up()
    with scene.load(RATE) as load:
        scene.wait_for_mail(5)
        with outage:
            time.sleep(seconds)
        returned_at = time.monotonic()
        late = {row.address for row in load.accepted} - {mail.address for mail in scene.sink.taken}
        scene.wait_for(lambda: late <= {mail.address for mail in scene.sink.taken}, "mail of the outage in the sink")
    scene.note_load(load)
    scene.details |= {"p99_ms": round(load.p99_ms), "max_ms": round(max(load.seconds) * 1000)}
    scene.wait_for_quiet(since=returned_at)
    arrived = [mail.at - returned_at for mail in scene.sink.taken if mail.address in late]
    scene.details |= {
        "queued_meanwhile": len(late),
        "first_mail_s": round(min(arrived), 2),
        "all_mail_s": round(max(arrived), 2),
    }
    scene.expect(len(late) > RATE * seconds / 2, f"only {len(late)} mails waited for the broker: it was not away")
    scene.expect(not load.refused, f"some POSTs were not answered 202: {dict(load.refused)}")
    scene.expect(load.p99_ms < POST_SECONDS * 1000, f"1 % of the POSTs took over {load.p99_ms / 1000:.2f} s")
    scene.expect(max(arrived) < RETURN_SECONDS, f"mail went out {max(arrived):.1f} s after the broker's return")
