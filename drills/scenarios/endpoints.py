"""Webhook endpoints that are down, failing, slow or gone: recovered ones get all events, others are not delayed."""

import time

from drills.harness.load import percentile
from drills.harness.scene import Scene
from drills.stand_ins.webhook_receiver import Answering, Receiver
from tracking.models import Event
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, WebhookDelivery

RATE = 15.0
FAULT_SECONDS = 3.0
AFTER_SECONDS = 2.0
# Longer than WEBHOOK_TIMEOUT_SECONDS.
SLOW_SECONDS = 1.5
# From the mail on the sink's disk to the healthy endpoint, at the 95th percentile.
TOLD_SECONDS = 1.0
PATIENCE_SECONDS = 40.0
TERMINAL = ("email.delivered", "email.failed", "email.bounced")
# The fault of each endpoint; the first group recovers after a while, the second never.
MENDED = {"/cut": Answering(status=0), "/error": Answering(status=500), "/slow": Answering(seconds=SLOW_SECONDS)}
GIVEN_UP = {"/gone": Answering(status=410), "/dead": Answering(status=500)}
HEALTHY = "/good"


def webhooks(scene: Scene) -> None:
    """Cut connections, 500 and slow responses for a while: all events arrive later. 410 and permanent 500: disabled."""
    receiver = scene.keep_open(Receiver())
    scene.open_sink()
    for name in ("worker", "worker-webhooks"):
        scene.stack.start(name)
    for path, fault in (MENDED | GIVEN_UP).items():
        receiver.answer_as(path, fault)
    for path in (HEALTHY, *MENDED, *GIVEN_UP):
        add_endpoint(scene, receiver, path)
    scene.warm_up()
    scene.wait_for(lambda: receiver.heard(HEALTHY), "the worker for webhooks to post its first")
    with scene.load(RATE) as load:
        time.sleep(FAULT_SECONDS)
        for path in MENDED:
            receiver.answer_as(path, Answering())
        mended_at = time.monotonic()
        time.sleep(AFTER_SECONDS)
    scene.note_load(load)
    scene.wait_for_quiet(since=mended_at)
    scene.wait_for(lambda: count_pending(scene) == 0, "every webhook to be delivered or given up", PATIENCE_SECONDS)
    scene.recovery_seconds = time.monotonic() - mended_at
    judge_told(scene, receiver)
    judge_given_up(scene)
    judge_healthy(scene, receiver, mended_at)


def add_endpoint(scene: Scene, receiver: Receiver, path: str) -> None:
    with scene.client() as client:
        reply = client.post("/webhooks", {"url": receiver.url(path), "events": list(TERMINAL)})
    scene.expect(reply.status == 201, f"POST /webhooks answered {reply.status}: {reply.body}")
    receiver.trust(path, reply.body["secret"])


def count_pending(scene: Scene) -> int:
    return WebhookDelivery.objects.filter(project__in=scene.projects, status=DeliveryStatus.PENDING).count()


def judge_told(scene: Scene, receiver: Receiver) -> None:
    """Every recovered endpoint has every event, with one id in all attempts, signed."""
    ends = {str(pk) for pk in find_ends(scene)}
    for path in (HEALTHY, *MENDED):
        heard = receiver.heard(path)
        told = {each.event_id for each in heard if each.is_taken}
        scene.expect(
            told == ends, f"{path} was told of {len(told & ends)} ends of {len(ends)}, and {len(told - ends)} others"
        )
        forged = sum(not each.is_signed for each in heard)
        scene.expect(not forged, f"{forged} posts to {path} were not signed by its secret")
        if path != HEALTHY:
            scene.details[f"{path[1:]}_tries"] = len(heard)


def find_ends(scene: Scene) -> set[object]:
    return set(
        Event.objects.filter(project_id__in=[p.pk for p in scene.projects], type__in=TERMINAL).values_list(
            "id", flat=True
        )
    )


def judge_given_up(scene: Scene) -> None:
    """The endpoints are disabled, their owner has a notice, and the feed contains all events that they missed."""
    rows = Endpoint.objects.filter(project__in=scene.projects)
    off = {row.url.rpartition("/")[2] for row in rows if row.status == EndpointStatus.DISABLED}
    scene.expect(off == {path[1:] for path in GIVEN_UP}, f"disabled were {sorted(off)}")
    notices = scene.projects[0].notices.filter(kind="webhook_disabled").count()
    scene.expect(notices == len(GIVEN_UP), f"{notices} notices of {len(GIVEN_UP)} disabled endpoints")
    told = read_feed(scene)
    scene.expect(told == {str(pk) for pk in find_ends(scene)}, f"the feed has {len(told)} ends")


def read_feed(scene: Scene) -> set[str]:
    """The ids of all final events in GET /events, page by page."""
    found: set[str] = set()
    cursor = ""
    with scene.client() as client:
        while True:
            page = client.get(f"/events?limit=100{f'&after={cursor}' if cursor else ''}").body
            found |= {event["id"] for event in page["data"] if event["type"] in TERMINAL}
            if not page["data"] or not page["next"]:
                return found
            cursor = page["next"]


def judge_healthy(scene: Scene, receiver: Receiver, until: float) -> None:
    """The other endpoints' faults do not delay the healthy endpoint."""
    times = scene.times()
    arrived = {each.recipient: each.at for each in reversed(receiver.heard(HEALTHY))}
    waits = [at - times[address] for address, at in arrived.items() if times.get(address, until) < until]
    p95 = percentile(waits, 0.95)
    scene.details["good_p95_s"] = round(p95, 2)
    scene.expect(p95 < TOLD_SECONDS, f"5 % of the healthy endpoint's posts took over {TOLD_SECONDS} s")
