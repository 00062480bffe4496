"""Direct delivery beside servers that refuse us: what a stranger says stays with its domain."""

import json
import time

from accounts.models import ApiKey, Notice
from drills.harness.load import Load, build_email, percentile
from drills.harness.scene import Scene
from drills.stand_ins.exchangers import Exchangers
from drills.stand_ins.rules import Act, ReplyWith, Rule, SinkMail, Stage, as_usual
from drills.stand_ins.sink import Sink
from messages.models import Recipient
from messages.states import Status
from providers.models import Provider
from providers.routing.redis_state import SharedPolicies
from tracking.models import HeldSuppression, Suppression

DOMAINS = 5
RATE = 20.0
LOAD_SECONDS = 5.0
STRANGE_MAILS = 20
BLOCKED_MAILS = 60
# Allowed change of the 95th percentile. The mail under the policy is retried a hundred times as often as in production,
# which a busy machine shows; a pause, or a wait for the strangers, would take many seconds.
NOISE_SECONDS, NOISE_FACTOR = 0.3, 2
LISTED = "550 5.7.1 Service unavailable; client host [192.0.2.7] blocked using zen.spamhaus.org"
UNKNOWN = "550 5.1.1 recipient dropped by rule R{number}"


def strangers(scene: Scene) -> None:
    """A server that wants a login and one that breaks its policy, beside normal ones, for two tenants."""
    exchangers = Exchangers(scene)
    for number in range(DOMAINS):
        exchangers.add(f"good{number}.test")
    exchangers.add("login.test", lambda stage, _: refuse_at(Stage.RCPT, stage, "530 5.7.0 authentication required"))
    exchangers.add("policy.test")
    keep_policy(scene, "policy.test")
    other, token = scene.add_project("other")
    scene.stack.start("worker")
    scene.fill(1, name="first", domain="good0.test")
    scene.wait_for_quiet(since=time.monotonic())
    before = time_good(scene, "before", token)
    for key in (scene.key, other):
        fill_strangers(scene, key)
    beside = time_good(scene, "beside", token)
    scene.details |= {"p95_alone_s": round(before, 2), "p95_beside_s": round(beside, 2)}
    scene.expect(beside < NOISE_FACTOR * before + NOISE_SECONDS, f"p95 went from {before:.2f} s to {beside:.2f} s")
    scene.wait_for(lambda: find_statuses("login.test") == {Status.BOUNCED}, "mail to login.test to bounce")
    expect_unharmed(scene)
    waiting = find_statuses("policy.test")
    scene.expect(waiting == {Status.QUEUED}, f"mail under the policy is {waiting}")
    scene.let_wait()


def find_statuses(domain: str) -> set[str]:
    """The statuses of all mail to a domain."""
    return set(Recipient.objects.filter(domain=domain).values_list("status", flat=True))


def refuse_at(refused: Stage, stage: Stage, text: str) -> Act:
    return ReplyWith(text) if stage is refused else None


def keep_policy(scene: Scene, domain: str) -> None:
    """An MTA-STS policy that workers know already. The domain's server offers no STARTTLS."""
    scene.stack.ground.names.tell(f"_mta-sts.{domain}", "TXT", '"v=STSv1; id=1"')
    policy = {
        "record_id": "1",
        "mode": "enforce",
        "patterns": [f"*.{domain}"],
        "max_age": 86_400,
        "until": time.time() + 86_400,
        "retry_at": 0.0,
    }
    SharedPolicies().put(domain, json.dumps(policy), 86_400)


def fill_strangers(scene: Scene, key: ApiKey) -> None:
    for domain in ("login.test", "policy.test"):
        scene.fill(STRANGE_MAILS, name=f"{domain.partition('.')[0]}-{key.project_id}", domain=domain, key=key)


def time_good(scene: Scene, name: str, token: str) -> float:
    """The 95th percentile of 100 mails of both tenants, from POST to the normal servers' disks, in seconds."""

    def build(number: int) -> dict[str, object]:
        return build_email(f"{name}-{number}@good{number % DOMAINS}.test")

    with Load([scene.client(), scene.client(token), scene.client(), scene.client(token)], RATE, build) as load:
        time.sleep(LOAD_SECONDS)
    scene.note_load(load)
    scene.wait_for(lambda: not load.accepted_at.keys() - scene.times().keys(), "all mail to normal servers to arrive")
    times = scene.times()
    return percentile([times[address] - at for address, at in load.accepted_at.items()], 0.95)


def expect_unharmed(scene: Scene) -> None:
    """No provider is paused, and nobody is suppressed."""
    paused = Provider.objects.exclude(is_paused=False, paused_until=None).values_list("name", "pause_reason")
    scene.expect(not paused, f"paused: {list(paused)}")
    suppressed = Suppression.objects.count()
    scene.expect(not suppressed, f"{suppressed} addresses are suppressed")


def blocked(scene: Scene) -> None:
    """All servers refuse us, then all refuse recipients with words that nobody knows, then all accept mail again."""
    exchangers = Exchangers(scene)
    sinks = [exchangers.add(f"block{number}.test") for number in range(DOMAINS)]
    scene.stack.start("worker")
    refuse_all(scene, sinks, "listed", lambda stage, _: refuse_at(Stage.RCPT, stage, LISTED))
    expect_unharmed(scene)
    expect_notice(scene, "identity_refused")
    refuse_all(scene, sinks, "unknown", refuse_by_rule)
    expect_unharmed(scene)
    expect_notice(scene, "suppressions_held")
    held = HeldSuppression.objects.count()
    scene.details["held"] = held
    scene.expect(held == BLOCKED_MAILS, f"{held} suppressions of {BLOCKED_MAILS} are held")
    refuse_all(scene, sinks, "listed", as_usual)
    scene.expect_statuses({Status.BOUNCED: 2 * BLOCKED_MAILS, Status.DELIVERED: BLOCKED_MAILS})


def refuse_by_rule(stage: Stage, mail: SinkMail) -> Act:
    return refuse_at(Stage.RCPT, stage, UNKNOWN.format(number=mail.number))


def refuse_all(scene: Scene, sinks: list[Sink], name: str, rule: Rule) -> None:
    """Mail to all domains, whose servers follow a rule."""
    for sink in sinks:
        sink.rule = rule
    begun_at = time.monotonic()
    for number in range(DOMAINS):
        scene.fill(BLOCKED_MAILS // DOMAINS, name=name, domain=f"block{number}.test")
    scene.wait_for_quiet(since=begun_at)


def expect_notice(scene: Scene, kind: str) -> None:
    count = Notice.objects.filter(project=None, kind=kind).count()
    scene.expect(count == 1, f"the operator has {count} notices of the kind {kind}")
