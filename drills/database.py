"""Without the database for a moment."""

import signal
import time

from drills.crashes import answer_slowly
from drills.scene import Scene

RATE = 30.0
# What an application may be told while the database is away: come again.
AWAY = 503


def postgres_restart(scene: Scene) -> None:
    """Immediate shutdown in the middle of deliveries and POSTs; nothing but 202 and 503 is answered."""
    scene.open_sink(answer_slowly)
    scene.stack.start("worker")
    scene.warm_up()
    with scene.load(RATE) as load:
        scene.wait_for_mail(20)
        scene.stack.kill_server("postgres", signal.SIGQUIT)
        scene.stack.restart_server("postgres")
        restarted_at = time.monotonic()
        scene.wait_for_mail(20)
    scene.note_load(load)
    scene.wait_for_quiet(since=restarted_at)
    scene.expect(set(load.refused) <= {AWAY}, f"a POST was answered neither 202 nor 503: {dict(load.refused)}")
