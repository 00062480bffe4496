"""An ESP that accepts mail silently, throttles, fails, sends nonsense; and its later events, true or forged."""

import json
import time
from collections import Counter
from http.client import HTTPConnection
from urllib.parse import urlsplit

from drills.harness.scene import Scene
from drills.stand_ins.esp import SIGNING_KEY, EspAnswer, EspStandIn, build_event
from emailsvc.launcher.ports import LOOPBACK
from messages.models import Recipient
from messages.states import OnUncertain, Status, StatusReason
from providers.models import Provider, ProviderKind
from providers.serializers import build_events_url
from providers.services import add_provider
from providers.targets import ProviderTarget
from tracking.models import Event

EACH = 6
# Longer than a worker waits here for a response.
PATIENCE = 2.0
SILENT_SECONDS = 4.0
# The response to the first call for each kind of mail; later calls succeed.
FIRST = {
    "good": EspAnswer(),
    "silent": EspAnswer(seconds=SILENT_SECONDS),
    "held": EspAnswer(seconds=SILENT_SECONDS),
    "throttled": EspAnswer(is_taken=False, status=429, body=b'{"message": "slow down"}', headers={"Retry-After": "1"}),
    "broken": EspAnswer(is_taken=False, status=500, body=b"<h1>Oops</h1>"),
    "nonsense": EspAnswer(body=b"\x00\xff{]"),
}
# Accepted without a readable response: sent again, except for mail on hold.
DOUBLED = ("silent", "nonsense")
FORGED = 403


def esp(scene: Scene) -> None:
    """Timeout after accept, 429, 500, nonsense; events doubled, out of order and forged; events settle mail on hold."""
    stand_in = scene.keep_open(EspStandIn(scene.journal(), answer))
    scene.sinks.append(stand_in)
    settings = {"esp": "mailgun", "api_key": "key", "webhook_signing_key": SIGNING_KEY, "api_url": stand_in.api_url}
    provider = add_provider(
        None, name="esp", target=ProviderTarget(kind=ProviderKind.ESP, settings=settings), is_operated=True
    )
    scene.stack.start("worker", patience=PATIENCE)
    begun_at = time.monotonic()
    for number in range(EACH):
        # In turns, so that failures do not open the circuit breaker for long.
        for name in FIRST:
            policy = OnUncertain.HOLD if name == "held" else OnUncertain.RETRY
            scene.fill(1, name=f"{name}-{number}", on_uncertain=policy)
    scene.wait_for_quiet(since=begun_at)
    judge_answers(scene)
    tell_all(scene, provider, stand_in)
    judge_events(scene)


def answer(address: str, earlier_count: int) -> EspAnswer:
    return EspAnswer() if earlier_count else FIRST[address.partition("-")[0]]


def judge_answers(scene: Scene) -> None:
    """Mail accepted without a readable response is doubled or on hold; no other mail is."""
    copies = Counter(mail.address.partition("-")[0] for mail in scene.sink.taken)
    wanted = {name: 2 * EACH if name in DOUBLED else EACH for name in FIRST}
    scene.expect(copies == wanted, f"the ESP was given {dict(copies)} instead of {wanted}")
    rows = Recipient.objects.filter(project__in=scene.projects, status_reason=StatusReason.UNCERTAIN)
    held = set(rows.values_list("address", flat=True))
    scene.expect(len(held) == EACH, f"{len(held)} mails are held, there must be {EACH}")
    scene.details["held"] = len(held)


def tell_all(scene: Scene, provider: Provider, stand_in: EspStandIn) -> None:
    """For each mail: a forged bounce, a delivery, the same again, and a late acceptance."""
    path = urlsplit(build_events_url(provider)).path
    statuses = Counter[int]()
    for mail in stand_in.mails.values():
        statuses[post(scene, path, build_event("failed", mail, key="not-the-key"))] += 1
        delivered = build_event("delivered", mail)
        for event in (delivered, delivered, build_event("accepted", mail)):
            scene.expect(post(scene, path, event) == 200, "a signed event was not taken")
    scene.details["forged"] = statuses[FORGED]
    scene.expect(set(statuses) == {FORGED}, f"forged events were answered {dict(statuses)}")


def post(scene: Scene, path: str, event: object) -> int:
    connection = HTTPConnection(LOOPBACK, scene.stack.ground.web_port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(event), {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def judge_events(scene: Scene) -> None:
    """All are delivered, with one event each."""
    scene.wait_for_quiet(since=time.monotonic())
    scene.expect_statuses({Status.DELIVERED: EACH * len(FIRST)})
    projects = [project.pk for project in scene.projects]
    told = Event.objects.filter(project_id__in=projects, type="email.delivered").values_list("recipient_id", flat=True)
    doubled = [pk for pk, count in Counter(told).items() if count > 1]
    scene.expect(not doubled, f"{len(doubled)} recipients were said to be delivered twice")
