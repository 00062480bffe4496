"""Concurrent access to the same rows."""

import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from queue import SimpleQueue
from uuid import UUID

from drills.harness.load import Client
from drills.harness.scene import Scene
from drills.stand_ins.rules import Act, SinkMail, Stage, Wait
from messages.models import Message
from messages.states import Lane, Status
from messages.tasks import deliver_due

DUE = 200
WAKE_UPS = 10
RACES = 200
RACE_SECONDS = 7.0
# Enough threads to wait for all races that are close in time.
CANCELLERS = 32
# A cancel arrives at most this long before or after its message's time; a release comes within a tick.
SPREAD_SECONDS = 0.3
LEAD_SECONDS = 4.0


def answer_soon(stage: Stage, _mail: SinkMail) -> Act:
    return Wait(0.02) if stage is Stage.DOT else None


def same_wakeup(scene: Scene) -> None:
    """One wake-up is sent ten times and taken by ten children in parallel: each mail goes out once."""
    scene.open_sink(answer_soon)
    scene.fill(DUE)
    for _ in range(WAKE_UPS):
        deliver_due.apply_async((Lane.NORMAL,), queue=Lane.NORMAL)
    scene.stack.start("worker", "-c", str(WAKE_UPS))
    begun_at = time.monotonic()
    scene.wait_for_quiet(since=begun_at)


def cancel_races(scene: Scene) -> None:
    """200 messages are cancelled at the moment of their release: each is either cancelled or delivered."""
    scene.open_sink()
    scene.stack.start("worker")
    scene.warm_up()
    answers = race_all(scene, post_scheduled(scene))
    scene.wait_for_quiet(since=time.monotonic())
    cancelled = [email_id for email_id, status in answers.items() if status == HTTPStatus.OK]
    refused = [email_id for email_id, status in answers.items() if status == HTTPStatus.CONFLICT]
    scene.details |= {"cancelled": len(cancelled), "released": len(refused)}
    strange = sorted(set(answers.values()) - {HTTPStatus.OK, HTTPStatus.CONFLICT})
    scene.expect(not strange, f"a cancel was answered neither 200 nor 409: {strange}")
    scene.expect(min(len(cancelled), len(refused)) >= RACES // 20, "there was no race: nearly all ended alike")
    kept = Message.objects.filter(pk__in=cancelled, status=Status.CANCELLED).count()
    scene.expect(kept == len(cancelled), f"{len(cancelled) - kept} cancels were answered 200 and did not hold")
    # The first mail, which showed that the worker runs, is one more.
    scene.expect_statuses({Status.CANCELLED: len(cancelled), Status.DELIVERED: len(refused) + 1})


def post_scheduled(scene: Scene) -> dict[UUID, float]:
    """RACES messages with successive release times; returns each one's id and time."""
    begin = time.time() + LEAD_SECONDS
    times = [begin + RACE_SECONDS * number / RACES for number in range(RACES)]
    ids = scene.post_batch(RACES, each=[{"scheduled_at": datetime.fromtimestamp(at, UTC).isoformat()} for at in times])
    return dict(zip(ids, times, strict=True))


def race_all(scene: Scene, races: Mapping[UUID, float]) -> dict[UUID, int]:
    """Cancel each message near its time; returns the responses."""
    clients = SimpleQueue[Client]()
    lag = [0.0]
    for _ in range(CANCELLERS):
        clients.put(scene.client())

    def race(item: tuple[UUID, float]) -> tuple[UUID, int]:
        email_id, at = item
        client = clients.get()
        # A request takes long on a busy machine, so it must be sent earlier.
        leave_at = at + random.uniform(-SPREAD_SECONDS, SPREAD_SECONDS) - lag[-1]
        time.sleep(max(0.0, leave_at - time.time()))
        reply = client.post(f"/emails/{email_id}/cancel")
        lag.append(reply.seconds)
        clients.put(client)
        return email_id, reply.status

    with ThreadPoolExecutor(CANCELLERS) as pool:
        return dict(pool.map(race, races.items()))
