"""The keywords of the simulator: replies to attempts, and later feedback."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from delivery.envelope import Outcome, Stage
from delivery.replies import Peer, SmtpReply, classify


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One simulated attempt: the reply, its stage, and the wait before it. A `code` of None means no reply."""

    code: int | None = 250
    text: str = "2.0.0 simulated: delivered"
    stage: Stage = Stage.DOT
    is_final: bool = True
    delay: timedelta = timedelta(0)

    @property
    def outcome(self) -> Outcome:
        """The outcome of the reply."""
        if self.code is None:
            return Outcome.UNCERTAIN if self.stage is Stage.DOT else Outcome.DEFERRED
        return classify(
            SmtpReply(self.code, (self.text.encode(),)), stage=self.stage, peer=Peer(), is_final=self.is_final
        ).outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Simulated feedback, `after` the step that accepted the mail. `kind` is a feedback kind."""

    kind: str
    code: int | None = None
    enhanced_code: str = ""
    text: str = ""
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A scene, its number of attempts (None: all further ones), and the feedback after it has accepted the mail."""

    scene: Scene
    times: int | None = None
    later: tuple[Later, ...] = ()


Script = tuple[Step, ...]

DELIVERED = Scene()
SENT = Scene(text="2.0.0 simulated: queued by the relay", is_final=False)
BOUNCED = Scene(code=550, text="5.1.1 simulated: no such mailbox", stage=Stage.RCPT)
SOFT = Scene(code=550, text="5.2.0 simulated: the mailbox does not accept mail", stage=Stage.RCPT)
FAILED = Scene(code=554, text="5.6.0 simulated: the content was rejected")
GREYLISTED = Scene(code=451, text="4.7.1 simulated: greylisted", stage=Stage.RCPT)

# Each with its default number of attempts.
SCENES: Mapping[str, tuple[Scene, int | None]] = {
    "delivered": (DELIVERED, None),
    "deliver": (DELIVERED, None),
    "sent": (SENT, None),
    "accepted": (SENT, None),
    "bounced": (BOUNCED, None),
    "bounce": (BOUNCED, None),
    "softbounce": (SOFT, None),
    "full": (Scene(code=552, text="5.2.2 simulated: the mailbox is full", stage=Stage.RCPT), None),
    "blocked": (Scene(code=550, text="5.7.1 simulated: rejected by policy", stage=Stage.RCPT), None),
    "deferred": (GREYLISTED, 1),
    "greylist": (GREYLISTED, 1),
    "alwaysdeferred": (Scene(code=451, text="4.3.0 simulated: temporary failure", stage=Stage.RCPT), None),
    "failed": (FAILED, None),
    "uncertain": (Scene(code=None, text="simulated: the connection broke after the final dot"), 1),
    "timeout": (Scene(code=None, text="simulated: timed out", stage=Stage.CONNECT), None),
    "slow": (Scene(text="2.0.0 simulated: delivered after a long time", delay=timedelta(seconds=5)), None),
}
LATER: Mapping[str, Later] = {
    "delivered": Later(kind="delivered", code=250, enhanced_code="2.0.0", text="simulated: delivered later"),
    "delayed": Later(kind="delayed", code=451, enhanced_code="4.4.1", text="simulated: the relay keeps retrying"),
    "bounce": Later(kind="bounced", code=550, enhanced_code="5.1.1", text="simulated: no such mailbox"),
    "softbounce": Later(
        kind="bounced", code=550, enhanced_code="5.2.0", text="simulated: the mailbox does not accept mail"
    ),
    "failed": Later(kind="failed", code=554, enhanced_code="5.4.7", text="simulated: the relay has given up"),
    "complaint": Later(kind="complained", text="simulated: reported as spam"),
    "unsubscribe": Later(kind="unsubscribed"),
    "open": Later(kind="opened"),
    "click": Later(kind="clicked"),
}
SYNONYMS = {
    "bounced": "bounce",
    "complained": "complaint",
    "unsubscribed": "unsubscribe",
    "opened": "open",
    "clicked": "click",
}
WORDS = frozenset({*SCENES, *LATER, *SYNONYMS})
KINDS = {2: "delivered", 4: "delayed", 5: "bounced"}
# The outcomes that may have accepted the mail, so that feedback may follow; and those that are retried, so that a next
# step may follow.
TAKING = frozenset({Outcome.DELIVERED, Outcome.ACCEPTED, Outcome.UNCERTAIN})
TRIED_AGAIN = frozenset({Outcome.DEFERRED, Outcome.UNCERTAIN})
