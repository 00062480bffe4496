"""A transport that sends no mail: the local part of an address at simulator.test is the script of its replies."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from time import sleep

from delivery.concurrency.async_transport import AsyncBeforeDot, AsyncTransport, Replies
from delivery.concurrency.waiting import run_blocking
from delivery.envelope import Delivery, Reply, Stage
from delivery.judging.terms import Speaker
from delivery.replies import Peer, SmtpReply, classify
from delivery.simulator.scenes import DELIVERED, Scene
from delivery.simulator.script import DOMAIN, ScenarioError, choose_step, read_script

PEER = Peer(remote_host=DOMAIN)
UNREADABLE = Scene(code=554, text="5.5.4 simulated: this scenario is invalid")


class SimulatorTransport(AsyncTransport):
    """A `Transport` for tests of applications: see `script`. Mail to a person's name or to any other domain is
    delivered, since all mail of test keys comes here. `bounced+anything@` is `bounced@`.
    """

    def __init__(self, sleep: Callable[[float], None] = sleep) -> None:
        self._sleep = sleep

    async def converse(self, deliveries: Sequence[Delivery], before_dot: AsyncBeforeDot) -> Replies:
        """A rejection before the dot needs no permit, as with a real server."""
        for delivery in deliveries:
            scene = choose_scene(delivery.address, delivery.attempt_number)
            recipient_id = delivery.recipient_id
            delivery.clock.begin()
            if scene.stage is Stage.DOT:
                allowed = await before_dot((recipient_id,))
                if recipient_id not in allowed:
                    continue
            if scene.delay:
                await run_blocking(partial(self._sleep, scene.delay.total_seconds()))
            yield recipient_id, play(scene)

    def close(self) -> None:
        """Do nothing: no connection is open."""


def choose_scene(address: str, attempt_number: int) -> Scene:
    """The scene for `address` at this attempt."""
    try:
        script = read_script(address)
    except ScenarioError:
        return UNREADABLE
    return choose_step(script, attempt_number).scene if script else DELIVERED


def play(scene: Scene) -> Reply:
    """The reply of a scene, classified like a real one; the simulator itself is never slowed or paused."""
    if scene.code is not None:
        answer = SmtpReply(scene.code, (scene.text.encode(),))
        reply = classify(answer, stage=scene.stage, peer=PEER, is_final=scene.is_final)
        return replace(reply, speaker=Speaker.SERVER, should_slow=False)
    return Reply(
        outcome=scene.outcome,
        stage=scene.stage,
        text=scene.text,
        remote_host=PEER.remote_host,
        has_reached=scene.stage is Stage.DOT,
    )
