"""Mail whose time is over: workers that were away, and races of replies and settlements against expiry."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus
from random import Random
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from drills.harness.scene import Scene
from drills.stand_ins.rules import Act, Drop, SinkMail, Stage, Wait
from messages.models import Recipient
from messages.states import OnUncertain, Status, StatusReason

LATE = 200
FRESH = 50
LATE_SECONDS = 1.0
RACES = 200
# A mail expires about when its final dot is asked for, shortly before or after. Its reply comes later. A relay that
# takes less time gets mail whose dot is granted with the start, so that nothing races.
SLOW = 30
DATA_SECONDS = 0.25
DOT_SECONDS = 0.03
EXPIRES_AFTER = (0.24, 0.5)
# A person settles about when the tick finds that the time is over; it comes every 0.2 s.
SETTLES_AFTER = (0.0, 0.25)
SETTLERS = 8
# Good mail stands between the cuts, because three in a row open the circuit breaker.
CUT_EVERY = 3
JITTER = Random(17)
# The sink asks its rule in an event loop, where Django uses no database.
_elsewhere = ThreadPoolExecutor(max_workers=1, thread_name_prefix="expiry")


def expired(scene: Scene) -> None:
    """Workers come back after the time of much mail: none of it leaves. Expiry races with replies and settlements."""
    scene.open_sink()
    delivered = come_back_late(scene) + slow_down(scene)
    taken = race_with_replies(scene)
    settled, good = race_with_settlements(scene)
    scene.details["raced"] = {"taken": taken, "settled": settled}
    scene.expect_statuses(
        {
            Status.DELIVERED: delivered + taken + good,
            Status.SENT: settled,
            Status.FAILED: LATE + (RACES - taken) + (RACES - settled),
        }
    )


def come_back_late(scene: Scene) -> int:
    """No worker runs until the mail has expired. Returns the number of mails that must be delivered."""
    scene.fill(LATE, name="late", expires_at=timezone.now() + timedelta(seconds=LATE_SECONDS))
    time.sleep(LATE_SECONDS)
    scene.fill(FRESH, name="fresh")
    begun_at = time.monotonic()
    scene.stack.start("worker")
    scene.wait_for_quiet(since=begun_at)
    late = [mail.address for mail in scene.sink.taken if mail.address.startswith("late")]
    scene.expect(not late, f"{len(late)} mails were sent after their time")
    return FRESH


def slow_down(scene: Scene) -> int:
    """Let the workers see that the relay takes its time. Returns the number of mails that must be delivered."""
    scene.sink.rule = take_time
    scene.fill(SLOW, name="slow")
    scene.wait_for_quiet(since=time.monotonic())
    return SLOW


def take_time(stage: Stage, _mail: SinkMail) -> Act:
    return Wait(DATA_SECONDS) if stage is Stage.DATA else None


def expire_at_dot(stage: Stage, mail: SinkMail) -> Act:
    """The mail's time is over about when the worker asks whether it may send the final dot."""
    if stage is Stage.DATA:
        rows = Recipient.objects.filter(address=mail.address)
        _elsewhere.submit(set_expiry, rows, JITTER.uniform(*EXPIRES_AFTER)).result()
        return Wait(DATA_SECONDS)
    return Wait(DOT_SECONDS) if stage is Stage.DOT else None


def set_expiry(rows: QuerySet[Recipient], seconds: float) -> None:
    rows.update(expires_at=Now() + timedelta(seconds=seconds))


def race_with_replies(scene: Scene) -> int:
    """Mails expire while the relay takes them: each ends as the sink has it. Returns the number that was taken."""
    scene.sink.rule = expire_at_dot
    scene.fill(RACES, name="race")
    scene.wait_for_quiet(since=time.monotonic())
    taken = {mail.address for mail in scene.sink.taken if mail.address.startswith("race")}
    rows = Recipient.objects.filter(address__startswith="race", project__in=scene.projects)
    expired_ones = set(rows.filter(status_reason=StatusReason.EXPIRED).values_list("address", flat=True))
    both, neither = taken & expired_ones, RACES - len(taken | expired_ones)
    scene.expect(not both, f"{len(both)} mails were taken and expired, such as {sorted(both)[:3]}")
    scene.expect(not neither, f"{neither} mails were neither taken nor expired")
    scene.expect(0 < len(taken) < RACES, f"no race: {len(taken)} of {RACES} were taken in time")
    return len(taken)


def cut_some(stage: Stage, mail: SinkMail) -> Act:
    is_cut = stage is Stage.DOT and mail.address.startswith("held") and mail.number % CUT_EVERY == 0
    return Drop() if is_cut else None


def race_with_settlements(scene: Scene) -> tuple[int, int]:
    """Mails on hold expire while a person settles them as sent: the answer and the state agree.

    Returns the number that was settled in time, and the number of good mails beside them.
    """
    scene.sink.rule = cut_some
    count = RACES * CUT_EVERY
    scene.fill(count, name="held", on_uncertain=OnUncertain.HOLD)
    scene.wait_for_quiet(since=time.monotonic())
    held = Recipient.objects.filter(project__in=scene.projects, status_reason=StatusReason.UNCERTAIN).order_by(
        "address"
    )
    ids = list(held.values_list("message_id", flat=True))
    scene.expect(len(ids) == RACES, f"{len(ids)} mails are on hold instead of {RACES}")
    answers: dict[UUID, int] = {}
    settlers = [
        threading.Thread(target=settle, args=(scene, ids[index::SETTLERS], answers)) for index in range(SETTLERS)
    ]
    for settler in settlers:
        settler.start()
    for settler in settlers:
        settler.join()
    scene.wait_for(lambda: not held.exists(), "mail on hold to expire")
    return judge_settlements(scene, answers), count - RACES


def settle(scene: Scene, message_ids: Sequence[UUID], answers: dict[UUID, int]) -> None:
    """Let each mail expire, and settle it a moment later."""
    try:
        with scene.client() as client:
            for message_id in message_ids:
                set_expiry(Recipient.objects.filter(message_id=message_id), 0.0)
                time.sleep(JITTER.uniform(*SETTLES_AFTER))
                answers[message_id] = client.post(f"/emails/{message_id}/settle", {"as": "sent"}).status
    finally:
        connection.close()


def judge_settlements(scene: Scene, answers: dict[UUID, int]) -> int:
    """Each answer must be the recipient's state. Returns the number of settlements."""
    wanted: dict[int, tuple[str, str]] = {
        HTTPStatus.OK: (Status.SENT, StatusReason.SETTLED),
        HTTPStatus.CONFLICT: (Status.FAILED, StatusReason.EXPIRED),
    }
    rows = Recipient.objects.filter(message_id__in=answers).values_list("message_id", "status", "status_reason")
    wrong = [
        f"{answers[message_id]} and {status} ({reason})"
        for message_id, status, reason in rows
        if (status, reason) != wanted.get(answers[message_id])
    ]
    scene.expect(not wrong, f"{len(wrong)} settlements and states differ, such as {wrong[:3]}")
    settled = sum(status == HTTPStatus.OK for status in answers.values())
    scene.expect(0 < settled < len(answers), f"no race: {settled} of {len(answers)} were settled in time")
    return settled
