"""The database is absent for a moment, or its disk is full."""

import random
import signal
import time
from collections.abc import Callable
from functools import partial
from string import ascii_letters

from django.conf import settings

from drills.harness.scene import Scene
from drills.scenarios.crashes import answer_slowly
from drills.stand_ins.rules import Hold, Stage, as_usual
from drills.stand_ins.small_disk import NoDiskError, full, small_disk, tables_on

RATE = 30.0
# Accepted responses while the database is away: try again later.
AWAY = 503
# The number of recipients that one child sends at once.
HELD = settings.SMTP_CONVERSATIONS
# Durations relative to LEASE_SECONDS.
SHORT_SECONDS = 0.6
LONG_SECONDS = 2.5
DISK_MB = 8
TABLES_ON_DISK = ("mail_message", "mail_content", "mail_recipient", "mail_attempt", "tracking_event")
# Size of each mail, incompressible, so that the rest of the disk fills soon.
BODY_BYTES = 20_000
REFUSED = 5
FULL_SECONDS = 2.0


def postgres_restart(scene: Scene) -> None:
    """PostgreSQL shuts down immediately during deliveries and POSTs; every POST gets 202 or 503."""
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


def postgres_after_250(scene: Scene) -> None:
    """PostgreSQL is away when the sink answers 250, for less than a lease and for longer: the replies are kept."""
    sink = scene.open_sink()
    scene.stack.start("worker")
    scene.warm_up()
    for name, outage in (("short", stopped_shortly), ("long", killed_for_long)):
        sink.rule = lambda stage, _: Hold() if stage is Stage.DOT else None
        scene.fill(HELD, name=name)
        scene.wait_for(lambda: len(sink.held) >= HELD, "the sink to have its hands full")
        sink.rule = as_usual
        outage(scene, partial(release_all, scene))
        scene.wait_for_quiet(since=time.monotonic())
    scene.limit_duplicates(0)


def release_all(scene: Scene) -> None:
    """The sink answers 250 to all held mail."""
    while scene.sink.held:
        scene.sink.held.popitem()[1].release()


def stopped_shortly(scene: Scene, answer: Callable[[], None]) -> None:
    """The server is half-open, and back before the lease has expired."""
    with scene.stack.stopped_server("postgres"):
        answer()
        time.sleep(SHORT_SECONDS)


def killed_for_long(scene: Scene, answer: Callable[[], None]) -> None:
    """Away for longer than a lease: others would take the mail for lost if its holder did not record the reply."""
    with scene.stack.killed_server("postgres"):
        answer()
        time.sleep(LONG_SECONDS)


def disk_full(scene: Scene) -> None:
    """The disk fills up during POSTs and deliveries: callers get 503, and never a 202 for mail that is not stored."""
    folder = scene.stack.ground.servers.runtime / "disk"
    try:
        scene.keep_open(small_disk(folder, DISK_MB))
    except NoDiskError as error:
        scene.skip(f"this system mounts no disk for us: {error}")
        return
    scene.keep_open(tables_on(folder, TABLES_ON_DISK))
    scene.open_sink()
    scene.stack.start("worker")
    scene.warm_up()
    with scene.load(RATE, text="".join(random.choices(ascii_letters, k=BODY_BYTES))) as load:
        scene.wait_for_mail(20)
        with full(folder):
            scene.wait_for(lambda: load.refused[AWAY] > REFUSED, "POSTs to be refused")
            accepted = len(load.accepted)
            time.sleep(FULL_SECONDS)
            scene.details["accepted_when_full"] = len(load.accepted) - accepted
        freed_at = time.monotonic()
        scene.wait_for_mail(20)
    scene.note_load(load)
    scene.wait_for_quiet(since=freed_at)
    scene.expect(set(load.refused) == {AWAY}, f"a POST was answered neither 202 nor 503: {dict(load.refused)}")
