"""Wake-ups without beat, with two beats, and with wrong clocks."""

import time
from datetime import UTC, datetime
from http import HTTPStatus

import redis
from django.conf import settings
from django.core.cache import cache

from drills.harness.ground import AS_USUAL
from drills.harness.scene import Scene
from drills.harness.stack import flush_all
from ledger.timer import TICK_KEY
from messages.states import Status

QUEUED = 50
SCHEDULED = 50
CANCELLED = 5
LEAD_SECONDS = 3.0
SHIFT_SECONDS = 2 * 3600.0
QUIET_SECONDS = 10.0
# The promise: mail goes out within this time of its due time.
LATE_SECONDS = 2.0
# The queue of beat's tasks (settings.CELERY_TASK_DEFAULT_QUEUE).
PERIODIC = "periodic"


def no_beat(scene: Scene) -> None:
    """Beat is down and wake-ups are lost: the workers' own timers still send queued and scheduled mail."""
    scene.open_sink()
    scene.stack.start("worker", settings=AS_USUAL)
    scene.warm_up()
    play_schedule(scene)


def two_beats(scene: Scene) -> None:
    """Two beats run beside the workers: every wake-up is doubled, and every mail is sent once."""
    scene.open_sink()
    scene.stack.start("worker", settings=AS_USUAL)
    for _ in range(2):
        scene.stack.start("beat")
    scene.warm_up()
    play_schedule(scene)
    # No worker listens yet: the wake-ups show that both beats work.
    scene.wait_for(lambda: count_rings() >= 4, "two ticks of each beat")
    scene.details["rings_of_beats"] = count_rings()
    scene.stack.start("worker-bulk")
    scene.wait_for(lambda: count_rings() == 0, "what the beats have rung to be answered")
    scene.wait_for_quiet(since=time.monotonic())


def wrong_clocks(scene: Scene) -> None:
    """Workers and beats two hours ahead and two behind, then the web server too: no mail is early, late or doubled."""
    scene.open_sink()
    for shift in (SHIFT_SECONDS, -SHIFT_SECONDS):
        for name in ("worker", "worker-bulk", "beat"):
            scene.stack.start(name, shift=shift, settings=AS_USUAL)
    scene.warm_up()
    # Times recorded by a worker's own clock: they prove that the clocks are wrong.
    scene.expect(abs(cache.get(TICK_KEY, 0) - time.time()) > SHIFT_SECONDS / 2, "the workers' clocks are right")
    play_schedule(scene)
    usual = scene.stack.webs[0]
    for shift in (SHIFT_SECONDS, -SHIFT_SECONDS, 0.0):
        scene.stack.start_web(shift=shift)
        scene.stack.end(usual)
        usual = scene.stack.webs[0]
        if shift:
            posted_at = time.monotonic()
            scene.post_batch(QUEUED, name=f"web{shift:.0f}")
            scene.wait_for_quiet(since=posted_at)
            scene.expect(scene.recovery_seconds < QUIET_SECONDS, "mail waited for the web server's clock")
    scene.expect_statuses({Status.DELIVERED: 3 * QUEUED + SCHEDULED - CANCELLED + 1, Status.CANCELLED: CANCELLED})


def play_schedule(scene: Scene) -> None:
    """Mail for now, and mail scheduled soon, some of which is cancelled in time."""
    at = time.time() + LEAD_SECONDS
    times = [{"scheduled_at": datetime.fromtimestamp(at, UTC).isoformat()}] * SCHEDULED
    ids = scene.post_batch(SCHEDULED, name="scheduled", each=times)
    scene.post_batch(QUEUED, name="queued")
    flush_all()
    with scene.client() as client:
        statuses = {client.post(f"/emails/{email_id}/cancel").status for email_id in ids[:CANCELLED]}
        scene.expect(statuses == {HTTPStatus.OK}, f"a cancel before the time was answered {statuses}")
        scene.expect(time.time() < at, "the machine is too slow: the time had come before the cancels were through")
        scene.wait_for_quiet(since=time.monotonic() + at - time.time())
        late = client.post(f"/emails/{ids[-1]}/cancel").status
        scene.expect(late == HTTPStatus.CONFLICT, f"a cancel after the time was answered {late}")
    judge_times(scene, time.monotonic() + at - time.time())
    scene.expect_statuses({Status.DELIVERED: QUEUED + SCHEDULED - CANCELLED + 1, Status.CANCELLED: CANCELLED})


def judge_times(scene: Scene, due_at: float) -> None:
    """Scheduled mail may not be early, or later than promised."""
    waits = [mail.at - due_at for mail in scene.sink.taken if mail.address.startswith("scheduled")]
    scene.details["latest_s"] = round(max(waits, default=0.0), 2)
    scene.expect(min(waits, default=0.0) >= 0, f"scheduled mail was {-min(waits, default=0.0):.2f} s early")
    scene.expect(max(waits, default=0.0) < LATE_SECONDS, f"scheduled mail was {max(waits, default=0.0):.2f} s late")


def count_rings() -> int:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
        return int(client.llen(PERIODIC))
