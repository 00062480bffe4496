"""Bad replies of a relay: none after the dot, 4xx for a while, or different ones for each recipient."""

import time
from collections import Counter
from http import HTTPStatus

from drills.harness.load import build_email, read_accepted
from drills.harness.scene import Scene
from drills.stand_ins.rules import Act, Drop, ReplyWith, SinkMail, Stage, as_usual
from messages.models import Attempt
from messages.states import OnUncertain, Status
from tracking.models import Suppression

CUTS = 20
# Good mail between the cuts: the circuit breaker opens after three cuts in a row.
CUT_EVERY = 3
STORM_MAILS = 200
STORM_SECONDS = 3.0
MESSAGES = 20
REFUSED = {"b": "550 5.1.1 no such user", "c": "550 5.2.1 mailbox disabled", "d": "550 no such user here"}
# A mailbox that is only disabled may come back.
SUPPRESSED = ("b", "d")
GOOD = ("a", "e")


class Cutter:
    """Closes the connection after the dot of every third mail, CUTS times for each policy."""

    def __init__(self) -> None:
        self.cut = Counter[str]()
        self._count = 0

    def __call__(self, stage: Stage, mail: SinkMail) -> Act:
        policy = mail.address.partition("-")[0]
        if stage is not Stage.DOT or mail.earlier_count or self.cut[policy] >= CUTS:
            return None
        self._count += 1
        if self._count % CUT_EVERY:
            return None
        self.cut[policy] += 1
        return Drop()


def cut_after_dot(scene: Scene) -> None:
    """The relay closes the connection between the dot and its reply: `retry` sends again, `hold` waits."""
    cutter = Cutter()
    scene.open_sink(cutter)
    scene.stack.start("worker")
    begun_at = time.monotonic()
    count = CUTS * CUT_EVERY
    for policy in OnUncertain:
        scene.fill(count, name=str(policy), on_uncertain=policy)
        scene.wait_for_quiet(since=begun_at)
    copies = Counter(mail.address for mail in scene.sink.taken)
    for policy in OnUncertain:
        doubled = sum(number - 1 for address, number in copies.items() if address.startswith(policy))
        scene.details[f"duplicates_{policy}"] = doubled
        wanted = CUTS if policy is OnUncertain.RETRY else 0
        scene.expect(doubled == wanted, f"{doubled} duplicates with on_uncertain {policy}, there must be {wanted}")
    scene.expect_statuses({Status.DELIVERED: 2 * count - CUTS, Status.DELIVERING: CUTS})


def storm(scene: Scene) -> None:
    """The relay answers 4xx at every stage, and then recovers: all mail is delivered, without duplicates."""
    sink = scene.open_sink(answer_stormy)
    scene.stack.start("worker")
    scene.fill(STORM_MAILS)
    time.sleep(STORM_SECONDS)
    scene.expect(not sink.taken, "mail was taken in the storm")
    sink.rule = as_usual
    scene.wait_for_quiet(since=time.monotonic())
    tries = Attempt.objects.filter(recipient__project__in=scene.projects).count()
    scene.details["tries_each"] = round(tries / STORM_MAILS, 1)


STORM = {
    Stage.RCPT: "450 4.2.1 mailbox busy",
    Stage.DATA: "451 4.3.0 local trouble",
    Stage.DOT: "452 4.3.1 no space",
}


def answer_stormy(stage: Stage, mail: SinkMail) -> Act:
    """Each mail fails at a different stage."""
    stages = list(STORM)
    return ReplyWith(STORM[stage]) if stage is stages[mail.number % len(stages)] else None


def refused_recipients(scene: Scene) -> None:
    """The relay rejects three of a message's five recipients: three bounce and are suppressed, two are delivered."""
    scene.open_sink(answer_refused)
    scene.stack.start("worker")
    scene.warm_up()
    begun_at = time.monotonic()
    with scene.client() as client:
        for number in range(MESSAGES):
            addresses = [f"{letter}-{number}@drill.test" for letter in sorted({*GOOD, *REFUSED})]
            reply = client.post("/emails", build_email("", to=addresses))
            scene.expect(reply.status == HTTPStatus.ACCEPTED, f"POST /emails answered {reply.status}: {reply.body}")
            scene.accepted += read_accepted(reply.body)
        scene.wait_for_quiet(since=begun_at)
        email = client.get(f"/emails/{reply.body['id']}").body
    told = {row["address"][0]: row["status"] for row in email["recipients"]}
    wanted = dict.fromkeys(REFUSED, "bounced") | dict.fromkeys(GOOD, "delivered")
    scene.expect(told == wanted, f"the email's JSON says {told}")
    scene.expect(email["status"] == "bounced", f"the email is {email['status']} as a whole")
    suppressed = Suppression.objects.filter(project__in=scene.projects).count()
    scene.expect(suppressed == MESSAGES * len(SUPPRESSED), f"{suppressed} addresses were suppressed")
    scene.expect_statuses({Status.BOUNCED: MESSAGES * len(REFUSED), Status.DELIVERED: MESSAGES * len(GOOD) + 1})


def answer_refused(stage: Stage, mail: SinkMail) -> Act:
    text = REFUSED.get(mail.address[:1])
    return ReplyWith(text) if text and stage is Stage.RCPT else None
