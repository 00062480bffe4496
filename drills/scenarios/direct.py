"""Direct delivery to recipients' servers: greylisting, busy, broken, slow, or unresolvable."""

import time

from drills.harness.load import Load, build_email, percentile
from drills.harness.scene import Scene
from drills.stand_ins.exchangers import Exchangers
from drills.stand_ins.rules import Act, ReplyWith, SinkMail, Stage, Wait, as_usual
from messages.models import Attempt, Recipient
from messages.states import Status

MAILS = 60
EACH = 10
# Every so many-th of them is greylisted.
BUSY_EVERY = 4
# Thirty seconds, scaled: far longer than any mail to a good server may take.
SLOW_SECONDS = 5.0
SLOW_MAILS = 100
FAST_DOMAINS = 5
FAST_RATE = 20.0
FAST_SECONDS = 5.0
# Allowed change of the others' 95th percentile: chance on a busy machine.
NOISE_SECONDS = 0.3
FAULT_SECONDS = 1.5


def greylist(scene: Scene) -> None:
    """450 at every first attempt: each mail is retried once, on its own schedule, without duplicates."""
    Exchangers(scene).add("greylist.test", lambda stage, mail: answer_grey(stage, mail))
    scene.stack.start("worker")
    begun_at = time.monotonic()
    scene.fill(MAILS, domain="greylist.test")
    scene.wait_for_quiet(since=begun_at)
    tries = list(Recipient.objects.filter(project__in=scene.projects).values_list("attempt_count", flat=True))
    scene.expect(set(tries) == {2}, f"mail was tried {sorted(set(tries))} times instead of twice")


def answer_grey(stage: Stage, mail: SinkMail) -> Act:
    return ReplyWith("450 4.7.1 greylisted, come again") if stage is Stage.RCPT and not mail.earlier_count else None


def busy(scene: Scene) -> None:
    """421 at every other greeting, and 421 during conversations: no mail is lost, bounced or doubled."""
    Exchangers(scene).add("busy.test", answer_busy)
    scene.stack.start("worker")
    begun_at = time.monotonic()
    scene.fill(MAILS, domain="busy.test")
    scene.wait_for_quiet(since=begun_at)
    refusals = Attempt.objects.filter(recipient__project__in=scene.projects, code=421).count()
    scene.details["refusals"] = refusals
    scene.expect(refusals > 0, "no attempt has noted the 421")


def answer_busy(stage: Stage, mail: SinkMail) -> Act:
    match stage:
        case Stage.GREETING if mail.earlier_count % 2:
            return ReplyWith("421 4.3.2 too busy")
        case Stage.RCPT if not mail.earlier_count and mail.number % BUSY_EVERY == 0:
            return ReplyWith("421 4.7.0 enough for now")
    return None


def second_mx(scene: Scene) -> None:
    """The best mail exchanger greets with 554 or is down: the next one gets the mail in the same attempt."""
    exchangers = Exchangers(scene)
    first = exchangers.add(
        "two.test", lambda stage, _: ReplyWith("554 5.3.2 not me") if stage is Stage.GREETING else None
    )
    second = exchangers.add("two.test", preference=20)
    scene.stack.start("worker")
    begun_at = time.monotonic()
    scene.fill(MAILS, domain="two.test")
    scene.wait_for_quiet(since=begun_at)
    scene.expect(not first.taken, "mail went to an exchanger that had refused to talk")
    scene.expect(len(second.taken) == MAILS, f"the second exchanger has {len(second.taken)} mails of {MAILS}")
    tries = Attempt.objects.filter(recipient__project__in=scene.projects).count()
    scene.expect(tries == MAILS, f"{tries} attempts for {MAILS} mails: the next exchanger belongs to the same one")


def slow_mx(scene: Scene) -> None:
    """One domain's server answers slowly; mail to other domains is not delayed."""
    exchangers = Exchangers(scene)
    slow = exchangers.add("slow.test", lambda stage, _: Wait(SLOW_SECONDS) if stage is Stage.DOT else None)
    for number in range(FAST_DOMAINS):
        exchangers.add(f"fast{number}.test")
    scene.stack.start("worker")
    scene.fill(1, name="first", domain="fast0.test")
    scene.wait_for_quiet(since=time.monotonic())
    before = time_fast(scene, "before")
    scene.fill(SLOW_MAILS, name="slow", domain="slow.test")
    scene.wait_for(lambda: slow.taken, "the slow server to have its hands full")
    beside = time_fast(scene, "beside")
    slow.rule = as_usual
    scene.details |= {"p95_alone_s": round(before, 2), "p95_beside_s": round(beside, 2)}
    scene.expect(beside < before + NOISE_SECONDS, f"others' p95 went from {before:.2f} s to {beside:.2f} s")
    scene.wait_for_quiet(since=time.monotonic())


def time_fast(scene: Scene, name: str) -> float:
    """The 95th percentile from POST to the fast servers' disks, in seconds."""

    def build(number: int) -> dict[str, object]:
        return build_email(f"{name}-{number}@fast{number % FAST_DOMAINS}.test")

    with Load([scene.client() for _ in range(4)], FAST_RATE, build) as load:
        time.sleep(FAST_SECONDS)
    scene.note_load(load)
    scene.wait_for(lambda: len(load.accepted_at.keys() - scene.times().keys()) == 0, "all fast mail to arrive")
    times = scene.times()
    return percentile([times[address] - at for address, at in load.accepted_at.items()], 0.95)


def dns_faults(scene: Scene) -> None:
    """SERVFAIL mail waits until the DNS works; NXDOMAIN and null MX bounce; an MX on loopback is refused."""
    names = scene.stack.ground.names
    Exchangers(scene).add("servfail.test")
    names.fail("servfail.test")
    names.tell("nullmx.test", "MX", "0 .")
    names.tell("loop.test", "MX", "10 mx.loop.test.")
    names.tell("mx.loop.test", "A", "127.0.0.1")
    scene.stack.start("worker")
    for domain in ("servfail.test", "nxdomain.test", "nullmx.test", "loop.test"):
        scene.fill(EACH, name=domain.partition(".")[0], domain=domain)
    scene.wait_for(lambda: scene.count_open() == EACH, "all mail but that of SERVFAIL to end")
    time.sleep(FAULT_SECONDS)
    waiting = Recipient.objects.filter(project__in=scene.projects, domain="servfail.test", status=Status.QUEUED).count()
    scene.expect(waiting == EACH, f"{waiting} mails of {EACH} wait for the DNS")
    names.mend("servfail.test")
    scene.wait_for_quiet(since=time.monotonic())
    scene.expect_statuses({Status.DELIVERED: EACH, Status.BOUNCED: 2 * EACH, Status.FAILED: EACH})
    failed = set(Recipient.objects.filter(status=Status.FAILED).values_list("domain", flat=True))
    scene.expect(failed == {"loop.test"}, f"failed were {failed}, not the mails to loopback")
