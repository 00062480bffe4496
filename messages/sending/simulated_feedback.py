"""What the simulator lets happen after it has taken a mail: planned as feedback, in rows that become due."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from delivery.simulator.scenes import Later
from delivery.simulator.script import TIME_SCALE_HEADER, ScenarioError, choose_step, read_script
from ledger.sql import fetch
from messages.feedback.model import Feedback, FeedbackKind
from messages.feedback.recording import plan_feedback
from messages.sending.outcomes import AttemptResult
from tracking.engagement.bot_detection import Actor

SOURCE = "simulator"
# Where a simulated click leads in a mail without tracked links.
ELSEWHERE = "https://simulator.test/"
# What the events of these kinds tell beside, as those of real ones do.
DATA: Mapping[FeedbackKind, Mapping[str, Any]] = {
    FeedbackKind.OPENED: {"actor": Actor.HUMAN, "actor_reason": "simulated"},
    FeedbackKind.CLICKED: {"actor": Actor.HUMAN, "actor_reason": "simulated", "link": "0"},
    FeedbackKind.COMPLAINED: {"feedback_type": "abuse"},
}
_MESSAGES = """
SELECT m.id, COALESCE(m.headers ->> %s, '1')::float, COALESCE(t.urls[1], %s)
FROM mail_message m LEFT JOIN tracking_trackedlinks t ON t.message_id = m.id WHERE m.id = ANY(%s)
"""


def plan_later(results: Sequence[AttemptResult], recorded: Collection[UUID]) -> None:
    """Plan what follows attempts of simulated mail that were just `recorded`, in the transaction of the record."""
    wanted = {
        result.claim.recipient_id: later
        for result in results
        if result.claim.is_simulated and result.claim.recipient_id in recorded and (later := find_later(result))
    }
    if not wanted:
        return
    claims = [result.claim for result in results if result.claim.recipient_id in wanted]
    rows = fetch(_MESSAGES, [TIME_SCALE_HEADER, ELSEWHERE, list({claim.message_id for claim in claims})])
    messages = {row[0]: (row[1], row[2]) for row in rows}
    for claim in claims:
        time_scale, url = messages[claim.message_id]
        for number, one in enumerate(wanted[claim.recipient_id]):
            key = f"{SOURCE}:{claim.recipient_id}:{claim.number}:{number}"
            plan_feedback(build_feedback(key, one, claim.recipient_id, url), one.after * time_scale)


def find_later(result: AttemptResult) -> Sequence[Later]:
    """What the address of this attempt's mail says is to follow."""
    try:
        script = read_script(result.claim.address)
    except ScenarioError:
        return ()
    return choose_step(script, result.claim.number).later if script else ()


def build_feedback(key: str, later: Later, recipient_id: UUID, url: str) -> Feedback:
    kind = FeedbackKind(later.kind)
    return Feedback(
        key=key,
        kind=kind,
        source=SOURCE,
        recipient_id=recipient_id,
        code=later.code,
        enhanced_code=later.enhanced_code,
        reply=later.text,
        data={**DATA.get(kind, {}), **({"url": url} if kind is FeedbackKind.CLICKED else {})},
    )
