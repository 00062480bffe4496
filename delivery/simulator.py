"""A way out that sends nothing: the local part of an address at simulator.test names what becomes of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import sleep
from uuid import UUID

from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.replies import Answer, Peer, classify
from delivery.steps import Call, Question, Said, SteppedTransport, Steps

DOMAIN = "simulator.test"
PEER = Peer(remote_host=DOMAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One attempt as it is played: what is answered where, after which wait. A `code` of None is silence."""

    code: int | None = 250
    text: str = "2.0.0 simulated: delivered"
    stage: Stage = Stage.DOT
    is_final: bool = True
    delay: timedelta = timedelta(0)


DELIVERED = Scene()
# By local part: the first attempt, the second, …; the last one repeats. Later attempts come when the retry schedule
# says so, as for real mail.
SCENES: Mapping[str, Sequence[Scene]] = {
    "delivered": [DELIVERED],
    "sent": [Scene(text="2.0.0 simulated: queued by the relay", is_final=False)],
    "accepted": [Scene(text="2.0.0 simulated: queued by the relay", is_final=False)],
    "bounced": [Scene(code=550, text="5.1.1 simulated: no such mailbox", stage=Stage.RCPT)],
    "softbounce": [Scene(code=550, text="5.2.0 simulated: the mailbox takes no mail", stage=Stage.RCPT)],
    "full": [Scene(code=552, text="5.2.2 simulated: the mailbox is full", stage=Stage.RCPT)],
    "blocked": [Scene(code=550, text="5.7.1 simulated: refused by policy", stage=Stage.RCPT)],
    "deferred": [Scene(code=451, text="4.7.1 simulated: greylisted", stage=Stage.RCPT), DELIVERED],
    "alwaysdeferred": [Scene(code=451, text="4.3.0 simulated: not now", stage=Stage.RCPT)],
    "failed": [Scene(code=554, text="5.6.0 simulated: the content was refused")],
    "uncertain": [Scene(code=None, text="simulated: the line broke after the final dot"), DELIVERED],
    "timeout": [Scene(code=None, text="simulated: timed out", stage=Stage.CONNECT)],
    "slow": [Scene(text="2.0.0 simulated: delivered after a long time", delay=timedelta(seconds=5))],
}


class SimulatorTransport(SteppedTransport):
    """A `Transport` for tests of applications. An unknown name is delivered, and so is any other domain, for mail of
    test keys comes here whatever its address. `bounced+anything@` is `bounced@`.
    """

    def __init__(self, sleep: Callable[[float], None] = sleep) -> None:
        self._sleep = sleep

    def converse(self, deliveries: Sequence[Delivery]) -> Steps[None]:
        """What is refused before the dot asks for no grant, as in real life."""
        for delivery in deliveries:
            scene = choose_scene(delivery.address, delivery.attempt_number)
            recipient_id = delivery.recipient_id
            if scene.stage is Stage.DOT:
                allowed: Collection[UUID] = yield Question((recipient_id,))
                if recipient_id not in allowed:
                    continue
            if scene.delay:
                yield Call(partial(self._sleep, scene.delay.total_seconds()))
            yield Said(recipient_id, play(scene))

    def close(self) -> None:
        """Nothing is held."""


def choose_scene(address: str, attempt_number: int) -> Scene:
    """What happens to the mail for `address` at this attempt."""
    local_part, _, domain = address.lower().rpartition("@")
    if domain != DOMAIN:
        return DELIVERED
    scenes = SCENES.get(local_part.partition("+")[0], [DELIVERED])
    return scenes[min(attempt_number, len(scenes)) - 1]


def play(scene: Scene) -> Reply:
    """The reply of a scene, judged by the same table as a real one."""
    if scene.code is not None:
        answer = Answer(scene.code, (scene.text.encode(),))
        return classify(answer, stage=scene.stage, peer=PEER, is_final=scene.is_final)
    is_after_dot = scene.stage is Stage.DOT
    return Reply(
        outcome=Outcome.UNCERTAIN if is_after_dot else Outcome.DEFERRED,
        stage=scene.stage,
        text=scene.text,
        remote_host=PEER.remote_host,
        has_reached=is_after_dot,
    )
