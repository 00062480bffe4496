"""Killed programs: the worker, one of its children, everything."""

import signal
import time

from django.conf import settings

from drills.harness.processes import list_children, send
from drills.harness.scene import Scene
from drills.stand_ins.rules import Act, SinkMail, Stage, Wait

# Long enough that every kill hits mail between its dot and its reply.
ANSWER_SECONDS = 0.05
RATE = 20.0
KILLS = 10
POWER_CUTS = 3
# The most mails of a child between a granted dot and its recorded reply: most of them wait for a connection.
MARKED = 3 * settings.SMTP_CONVERSATIONS
MAILS_BETWEEN_KILLS = 10
# Children of the worker for critical and normal mail (emailsvc.launcher.processes).
CHILDREN = 2


def answer_slowly(stage: Stage, _mail: SinkMail) -> Act:
    return Wait(ANSWER_SECONDS) if stage is Stage.DOT else None


def kill_worker(scene: Scene) -> None:
    """SIGKILL of the worker under load: in turns with its children, and of its main process alone."""
    scene.open_sink(answer_slowly)
    worker = scene.stack.start("worker")
    with scene.load(RATE) as load:
        for number in range(KILLS):
            scene.wait_for_mail(MAILS_BETWEEN_KILLS)
            if number % 2:
                send([worker], signal.SIGKILL)
            else:
                scene.stack.kill(worker)
            killed_at = time.monotonic()
            worker = scene.stack.start("worker")
        scene.wait_for_mail(MAILS_BETWEEN_KILLS)
    scene.note_load(load)
    scene.wait_for_quiet(since=killed_at)
    scene.limit_duplicates(KILLS * CHILDREN * MARKED)


def kill_child(scene: Scene) -> None:
    """SIGKILL of one prefork child under load, then of the other; the worker replaces them."""
    scene.open_sink(answer_slowly)
    worker = scene.stack.start("worker")
    with scene.load(RATE) as load:
        for number in range(KILLS):
            scene.wait_for_mail(MAILS_BETWEEN_KILLS)
            children = list_children(worker)
            send(children[number % len(children) :][:1], signal.SIGKILL)
            killed_at = time.monotonic()
        scene.wait_for_mail(MAILS_BETWEEN_KILLS)
    scene.note_load(load)
    scene.wait_for_quiet(since=killed_at)
    scene.limit_duplicates(KILLS * MARKED)


def power_cut(scene: Scene) -> None:
    """SIGKILL of everything at once under load, three times: web, workers, beat, PostgreSQL, Valkey."""
    scene.open_sink(answer_slowly)
    start_all(scene)
    with scene.load(RATE) as load:
        for _ in range(POWER_CUTS):
            scene.wait_for_mail(MAILS_BETWEEN_KILLS)
            scene.stack.cut_power()
            cut_at = time.monotonic()
            scene.stack.restore_power()
            start_all(scene)
        scene.wait_for_mail(MAILS_BETWEEN_KILLS)
    scene.note_load(load)
    scene.wait_for_quiet(since=cut_at)
    scene.limit_duplicates(POWER_CUTS * CHILDREN * MARKED)


def start_all(scene: Scene) -> None:
    """All programs beside the web server."""
    for name in ("worker", "worker-bulk", "beat"):
        scene.stack.start(name)
