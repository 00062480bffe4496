"""Two providers: the first one is down, then accepts mail silently, then recovers."""

import time
from collections.abc import Mapping
from typing import Any

from drills.harness.load import Load, build_email
from drills.harness.scene import Scene
from drills.stand_ins.rules import Act, SinkMail, Stage, Wait, as_usual
from drills.stand_ins.sink import Sink
from emailsvc.launcher.ports import LOOPBACK, held_port
from messages.models import Attempt, Recipient
from messages.states import OnUncertain, Status, StatusReason
from providers.services import add_provider
from providers.targets import ProviderTarget

FIRST, SECOND = "a", "b"
RATE = 20.0
AWAY_MAILS = 60
# Longer than a worker waits here for the reply to a dot: the mail is accepted, and its outcome is uncertain.
PATIENCE = 2.0
SILENT_SECONDS = 20.0
SILENT_MAILS = 3
AGAIN_MAILS = 40
PATIENCE_SECONDS = 30.0


def failover(scene: Scene) -> None:
    """A refuses connections, then accepts mail silently, then recovers: mail goes out by B, and by A again."""
    second = scene.add_sink()
    port = scene.keep_open(held_port())
    first_url = f"smtp://{LOOPBACK}:{port}?tls=never"
    add_provider(None, name=FIRST, target=ProviderTarget(url=first_url), is_operated=True, priority=0)
    add_provider(None, name=SECOND, target=ProviderTarget(url=second.relay_url), is_operated=True, priority=10)
    scene.stack.start("worker", patience=PATIENCE)
    with Load([scene.client() for _ in range(4)], RATE, build_mail) as load:
        # Nothing listens at A's address.
        wait_for_more(scene, second, AWAY_MAILS)
        first = scene.add_sink(answer_never, place=(LOOPBACK, port))
        scene.wait_for(lambda: len(first.taken) >= SILENT_MAILS, "mail that A has taken and not answered")
        scene.wait_for(lambda: count_uncertain(scene) >= SILENT_MAILS, "A's silence to be noted as uncertain")
        first.rule = as_usual
        mended_at = time.monotonic()
        wait_for_more(scene, first, AGAIN_MAILS)
        scene.details["back_s"] = round(time.monotonic() - mended_at, 1)
    scene.note_load(load)
    scene.wait_for_quiet(since=mended_at)
    judge_policies(scene, len(load.accepted))
    judge_story(scene)


def build_mail(number: int) -> dict[str, object]:
    """In turns of the two policies."""
    policy = list(OnUncertain)[number % 2]
    return build_email(f"{policy}-{number}@drill.test", on_uncertain=policy)


def answer_never(stage: Stage, _mail: SinkMail) -> Act:
    return Wait(SILENT_SECONDS) if stage is Stage.DOT else None


def wait_for_more(scene: Scene, sink: Sink, count: int) -> None:
    wanted = len(sink.taken) + count
    scene.wait_for(lambda: len(sink.taken) >= wanted, f"{count} more mails by one provider", PATIENCE_SECONDS)


def count_uncertain(scene: Scene) -> int:
    return Attempt.objects.filter(recipient__project__in=scene.projects, outcome="uncertain").count()


def judge_policies(scene: Scene, accepted_count: int) -> None:
    """Mail that A may have accepted is sent again by `retry`, and waits for a person with `hold`."""
    held = Recipient.objects.filter(
        project__in=scene.projects, status=Status.DELIVERING, status_reason=StatusReason.UNCERTAIN, next_attempt_at=None
    ).count()
    by_provider = {name: count_accepted(scene, name) for name in (FIRST, SECOND)}
    scene.details |= {f"by_{name}": count for name, count in by_provider.items()}
    scene.details |= {"uncertain": count_uncertain(scene), "held": held}
    scene.expect(min(by_provider.values()) > 0, f"mail went out by {by_provider}")
    scene.expect_statuses({Status.SENT: accepted_count - held, Status.DELIVERING: held})


def count_accepted(scene: Scene, provider: str) -> int:
    rows = Attempt.objects.filter(recipient__project__in=scene.projects, provider_name=provider, outcome="accepted")
    return rows.count()


def judge_story(scene: Scene) -> None:
    """An email with an uncertain attempt at A and a success at B: its JSON shows both, and why each was chosen."""
    tried = Attempt.objects.filter(
        outcome="uncertain", recipient__status=Status.SENT, recipient__project__in=scene.projects
    )
    found = tried.select_related("recipient").first()
    scene.expect(found, "no email was uncertain and is sent now")
    if found is None:
        return
    with scene.client() as client:
        email = client.get(f"/emails/{found.recipient.message_id}").body
    story = [describe_attempt(attempt) for attempt in email["attempts"]]
    scene.details["story"] = " → ".join(story)
    scene.expect(f"{FIRST} uncertain" in " → ".join(story), f"the email's JSON says {story}")
    reasons = [attempt["decision"] for attempt in email["attempts"] if attempt["decision"]]
    scene.expect(reasons, "no attempt of it says why it went by its provider")


def describe_attempt(attempt: Mapping[str, Any]) -> str:
    """`a uncertain (probe)`."""
    decision = attempt["decision"]
    return f"{attempt['provider']} {attempt['outcome']}" + (f" ({decision['because']})" if decision else "")
